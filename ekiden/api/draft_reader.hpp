#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "ekiden/api/draft.hpp"

namespace ekiden::api {

/// Reads the fields of POST /v1/messages. What is unknown, of the wrong type or no base64 is added
/// to `findings`; the rest of the checks are check_draft's.
Draft read_draft(const boost::json::object& json, Findings& findings);

// Parts of it, for other APIs.

/// Nothing when the field is absent or null; a wrong type is a finding.
std::optional<std::string> read_text(const boost::json::object& json, std::string_view name,
                                     const std::string& base, Findings& findings);
/// RFC 3339, RFC 5322 or Unix seconds, as text or number.
std::optional<base::Time> read_time(const boost::json::value& value);
/// Base64 as programs write it: line breaks and missing padding are forgiven, nothing else.
std::optional<std::string> decode_content(std::string_view base64);
/// "/a~1b" for a member "a/b" below `base` (RFC 6901).
std::string member(const std::string& base, std::string_view name);
Text wrong_type(std::string_view wanted, std::string_view wanted_japanese);

}  // namespace ekiden::api
