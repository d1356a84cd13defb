// Templates and merge data of anybody: rendering ends, within its limits, always the same way; what
// data says becomes text, never markup or template.
//
// An octet of flags, the template up to a NUL, then data: a JSON object or, where it is none, one
// whose only value is that text.
#include <boost/json/parse.hpp>

#include "ekiden/bulk/handlebars.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace ekiden;
using namespace ekiden::bulk;

namespace {

boost::json::object read_data(std::string_view text) {
  boost::system::error_code failed;
  const boost::json::string_view json(text.data(), text.size());
  boost::json::value value = boost::json::parse(json, failed);
  if (!failed && value.is_object()) return value.get_object();
  return {{"text", json}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  const std::string source(input.until('\0'));
  const std::string text(input.rest());
  const boost::json::object values = read_data(text);
  const auto escape = (flags & 1) != 0 ? Handlebars::Escape::None : Handlebars::Escape::Html;
  const auto missing = (flags & 2) != 0 ? Handlebars::Missing::Error : Handlebars::Missing::Empty;

  TemplateError error;
  const auto made = Handlebars::parse(source, error);
  if (!made) {
    FUZZ_CHECK(!error.text.empty() && error.line > 0 && error.column > 0, "a refusal says where");
    return 0;
  }
  if (source.find("{{") == std::string::npos) FUZZ_CHECK(made->is_plain(), "no place for data");

  const auto rendered = made->render(values, escape, missing, error);
  if (!rendered) {
    FUZZ_CHECK(!error.text.empty(), "a refusal says why");
  } else {
    FUZZ_CHECK(rendered->size() <= Handlebars::kOutputOctetsMax, "output is bounded");
    FUZZ_CHECK(made->render(values, escape, missing, error) == rendered, "the same again");
    if (made->is_plain()) {
      FUZZ_CHECK(source.find('\\') != std::string::npos || *rendered == source, "as it stands");
    }
  }

  TemplateError none;
  const auto plain = Handlebars::parse("{{text}}", none);
  const auto shown = plain->render({{"text", boost::json::string_view(text.data(), text.size())}},
                                   Handlebars::Escape::Html, missing, none);
  FUZZ_CHECK(!shown || shown->find_first_of("<>\"") == std::string::npos, "data is no markup");
  return 0;
}
