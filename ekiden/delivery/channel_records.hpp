#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/delivery/egress.hpp"

namespace ekiden::delivery {

/// What sources learnt of providers, as the text of `data_dir/egress.json`.
inline constexpr std::size_t kChannelRecordsMax = 100'000;
inline constexpr std::size_t kChannelFileOctetsMax = 64 << 20;

/// Past kChannelRecordsMax those of sites without a provider are left out first.
std::string encode_channels(std::vector<ChannelRecord> records);
/// Nothing when it is damaged. Empty text: no records. Numbers that make no sense are made to fit
/// by whoever uses them.
std::optional<std::vector<ChannelRecord>> decode_channels(std::string_view text);

}  // namespace ekiden::delivery
