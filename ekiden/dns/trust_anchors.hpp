#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"

namespace ekiden::dns {

/// The root's key signing keys of 2017 and 2024, as published by IANA, for machines without
/// Debian's dns-root-data.
std::vector<std::string> built_in_root_anchors();

/// The names that own a record in a zone file of anchors, canonical, the root as "".
/// Errors: Errc::BadTrustAnchor when it cannot be read, is over 1 MiB or holds none.
Result<std::vector<std::string>> owners_in_anchor_file(const std::string& path);

/// Whether `zone` is `above` or lies below it.
bool is_at_or_below(std::string_view zone, std::string_view above);

}  // namespace ekiden::dns
