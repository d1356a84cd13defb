#include "ekiden/api/japanese.hpp"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace ekiden::api {
namespace {

/// One conversion to ISO-2022-JP; it ends where a character has no place.
class Converter {
 public:
  Converter() : handle_(::iconv_open("ISO-2022-JP", "UTF-8")) {}
  ~Converter() {
    if (is_open()) ::iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  bool is_open() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  /// How many octets of `text`, from its front, have a place.
  std::size_t fitting(std::string_view text) {
    std::size_t left = text.size();
    char* in = const_cast<char*>(text.data());  // iconv takes it so and does not write
    while (left > 0) {
      char* out = sink_.data();
      std::size_t room = sink_.size();
      const std::size_t before = left;
      ::iconv(handle_, &in, &left, &out, &room);
      if (left == before) break;  // not for lack of room: there is always some
    }
    ::iconv(handle_, nullptr, nullptr, nullptr, nullptr);
    return text.size() - left;
  }

 private:
  iconv_t handle_;
  std::array<char, 4096> sink_{};
};

struct Character {
  char32_t value;
  std::size_t octets;
};

/// The character at the front of valid UTF-8.
Character front(std::string_view text) {
  const auto octet = [&](std::size_t i) {
    return static_cast<unsigned char>(i < text.size() ? text[i] : 0);
  };
  const unsigned first = octet(0);
  if (first < 0x80) return {first, 1};
  const std::size_t octets = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  char32_t value = first & (0x7fu >> octets);
  for (std::size_t i = 1; i < octets; ++i) value = (value << 6) | (octet(i) & 0x3fu);
  return {value, std::min(octets, text.size())};
}

constexpr std::pair<char32_t, std::string_view> kVariants[] = {
    {0xff5e, "〜"}, {0xff0d, "−"}, {0x2225, "‖"}, {0xffe0, "¢"},
    {0xffe1, "£"},  {0xffe2, "¬"}, {0x2014, "―"}, {0x00a0, " "},
};

/// U+FF61 to U+FF9F.
constexpr std::string_view kFullKana[] = {
    "。", "「", "」", "、", "・", "ヲ", "ァ", "ィ", "ゥ", "ェ", "ォ", "ャ", "ュ", "ョ", "ッ", "ー",
    "ア", "イ", "ウ", "エ", "オ", "カ", "キ", "ク", "ケ", "コ", "サ", "シ", "ス", "セ", "ソ", "タ",
    "チ", "ツ", "テ", "ト", "ナ", "ニ", "ヌ", "ネ", "ノ", "ハ", "ヒ", "フ", "ヘ", "ホ", "マ", "ミ",
    "ム", "メ", "モ", "ヤ", "ユ", "ヨ", "ラ", "リ", "ル", "レ", "ロ", "ワ", "ン", "゛", "゜"};
constexpr char32_t kFirstHalfKana = 0xff61, kLastHalfKana = 0xff9f;
constexpr char32_t kVoiced = 0xff9e, kSemiVoiced = 0xff9f;

/// カ to ト take voice by the next code point; ハ to ホ either mark.
std::string with_voice(char32_t half, char32_t mark) {
  const bool is_k_to_t = half >= 0xff76 && half <= 0xff84;
  const bool is_h = half >= 0xff8a && half <= 0xff8e;
  if (half == 0xff73 && mark == kVoiced) return "ヴ";
  if (!(mark == kVoiced && (is_k_to_t || is_h)) && !(mark == kSemiVoiced && is_h)) return {};
  // All of katakana is three octets, of which the last two count on.
  const Character plain = front(kFullKana[half - kFirstHalfKana]);
  const char32_t voiced = plain.value + (mark == kVoiced ? 1 : 2);
  return {static_cast<char>(0xe0 | (voiced >> 12)),
          static_cast<char>(0x80 | ((voiced >> 6) & 0x3f)),
          static_cast<char>(0x80 | (voiced & 0x3f))};
}

}  // namespace

std::string fit_iso2022jp(std::string_view utf8, std::vector<Unmapped>& unmapped) {
  Converter converter;
  std::string out;
  out.reserve(utf8.size());
  while (!utf8.empty()) {
    const std::size_t good = converter.is_open() ? converter.fitting(utf8) : 0;
    out += utf8.substr(0, good);
    utf8.remove_prefix(good);
    if (utf8.empty()) break;
    const Character bad = front(utf8);
    const std::string_view text = utf8.substr(0, bad.octets);
    utf8.remove_prefix(bad.octets);
    if (bad.value >= kFirstHalfKana && bad.value <= kLastHalfKana) {
      const Character next = front(utf8);
      const std::string voiced = with_voice(bad.value, next.value);
      if (!voiced.empty()) {
        out += voiced;
        utf8.remove_prefix(next.octets);
      } else {
        out += kFullKana[bad.value - kFirstHalfKana];
      }
      continue;
    }
    const auto variant = std::find_if(std::begin(kVariants), std::end(kVariants),
                                      [&](const auto& one) { return one.first == bad.value; });
    if (variant != std::end(kVariants)) {
      out += variant->second;
      continue;
    }
    out += "〓";
    const bool is_known = std::any_of(unmapped.begin(), unmapped.end(), [&](const Unmapped& one) {
      return one.character == bad.value;
    });
    if (!is_known && unmapped.size() < kUnmappedMax)
      unmapped.push_back({bad.value, std::string(text)});
  }
  return out;
}

}  // namespace ekiden::api
