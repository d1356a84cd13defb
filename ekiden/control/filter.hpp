#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::control {

/// Which queued recipients a command means: those that satisfy every field that is set. An empty
/// filter means all of them.
///
/// `domain`, `sender` and `recipient` may hold "*", which stands for any run of characters; they
/// are compared without regard to ASCII case. A whole `recipient` is found by its hash, so the case
/// of its local part counts; a pattern needs every candidate's address read back.
struct Filter {
  std::string domain, tenant, stream, sender, recipient, provider, source, site;
  std::string reply;         ///< a part of the last reply's text
  std::string paused_batch;  ///< held because its sender has paused this batch
  std::optional<base::MessageId> message;
  base::Duration older_than{};  ///< in the queue for longer than this; zero: any

  bool is_empty() const;
  friend bool operator==(const Filter&, const Filter&) = default;
};

/// A field of a recipient that a filter looks at.
struct FilterSubject {
  std::string_view domain, tenant, stream, sender, recipient, provider, source, site, reply;
  std::string_view paused_batch;
  base::MessageId message;
  base::Duration age{};
};
bool matches(const Filter& filter, const FilterSubject& subject);

/// What of the subject is not known yet: those fields of the filter are passed over.
enum class Unknown : std::uint8_t { Nothing, AddressesAndReply };
bool matches_but(const Filter& filter, const FilterSubject& subject, Unknown unknown);

/// `*` stands for any run of characters; ASCII case does not count.
bool matches_pattern(std::string_view pattern, std::string_view text);

boost::json::object to_json(const Filter& filter);
/// Nothing when a field is unknown or has the wrong type, and then `problem` says which: a filter
/// that is misread would act on more mail than was meant.
std::optional<Filter> filter_from_json(const boost::json::object& json, std::string& problem);

/// "domain example.org, older than 1h" for messages to people; "everything" when empty.
std::string describe(const Filter& filter);

}  // namespace ekiden::control
