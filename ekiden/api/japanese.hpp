#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ekiden::api {

/// A character that ISO-2022-JP does not have.
struct Unmapped {
  char32_t character = 0;
  std::string text;  ///< as UTF-8
};
/// Different characters that one report names.
inline constexpr std::size_t kUnmappedMax = 50;

/// UTF-8 text in which every character has a place in ISO-2022-JP: the variants that Windows types
/// (～, －, ∥, ￠, ￡, ￢) become those of JIS X 0208, half-width kana full-width ones, as mail has
/// always done. The others become "〓" and are added to `unmapped`, once each.
std::string fit_iso2022jp(std::string_view utf8, std::vector<Unmapped>& unmapped);

}  // namespace ekiden::api
