#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/api/draft.hpp"
#include "ekiden/bulk/composing.hpp"
#include "ekiden/bulk/handlebars.hpp"
#include "ekiden/bulk/job.hpp"

namespace ekiden::api::jobs {

/// How a row's data gets into the content.
enum class Syntax : std::uint8_t {
  Handlebars,  ///< {{name}}
  Literal,     ///< every occurrence of a name as it stands: "__code1__", "-name-"
};

/// What the messages of a job share: the fields of POST /v1/messages but for recipients, stream and
/// time; `syntax`, `missing` and `data`, which rows' own data goes before.
struct Content {
  Draft draft;
  Syntax syntax = Syntax::Handlebars;
  bulk::Handlebars::Missing missing = bulk::Handlebars::Missing::Empty;
  boost::json::object data;
  boost::json::object metadata;
  bool is_delivery = false;  ///< of blastengine's API
  // Of the draft, when the syntax is Handlebars.
  std::optional<bulk::Handlebars> subject, text, html;
  std::vector<bulk::Handlebars> headers;
};

/// Reads and checks it; what is wrong is added to `findings`, template errors with line and column.
std::optional<Content> read_content(const boost::json::object& object, base::Time now,
                                    Findings& findings);

/// Whether an object of POST /v1/messages says how its texts are made: `template`, `data`, …
bool has_merge_fields(const boost::json::object& object);
/// Takes `data`, `missing` and `syntax` out of it, and puts the texts with the data in the place of
/// subject, text, html and headers. Its template is resolved already.
void merge_fields(boost::json::object& object, Findings& findings);

/// The message of one recipient, or why there is none.
bulk::ComposedRow compose_row(const Content& content, std::string_view row, base::Time now);
/// For bulk::Expander.
bulk::ComposeRow make_composer(const bulk::Head& head);

/// A recipient of a request as a job keeps it: {"to", "name", "data", "metadata"}, where `to` is an
/// address or one with its name and `email` another name for it. Nothing, and a finding, when it is
/// none. `row.address` is the form in which an address is there once.
std::optional<bulk::Row> read_row(const boost::json::object& object, const std::string& base,
                                  Findings& findings);
/// The same of parts.
std::optional<bulk::Row> make_row(const std::string& address, const std::string& name,
                                  boost::json::object data, boost::json::object metadata,
                                  const std::string& base, Findings& findings);

}  // namespace ekiden::api::jobs
