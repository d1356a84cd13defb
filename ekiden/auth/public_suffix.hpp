#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/auth/error.hpp"

struct psl_ctx_st;

namespace ekiden::auth {

/// The public suffix list (https://publicsuffix.org): below which names registrations happen.
///
/// Sharing: immutable; any thread may read.
class PublicSuffixList {
 public:
  /// Debian's list (package publicsuffix), or the one built into libpsl when that is newer.
  static Result<PublicSuffixList> load_newest();
  /// Errors: BadSuffixList when the file cannot be read or holds no rule.
  static Result<PublicSuffixList> load(const std::string& file);

  /// The shortest name at or above `name` that can be registered: "example.co.jp" for
  /// "a.b.example.co.jp", lower case, in the labels (A or U) it was given in. A name under no rule
  /// falls under "*". Nothing for a public suffix itself and for what is no domain name.
  ///
  /// RFC 7489 §3.2: this is the Organizational Domain.
  std::optional<std::string> organizational_domain(std::string_view name) const;

 private:
  struct Free {
    void operator()(psl_ctx_st* list) const;
  };
  explicit PublicSuffixList(psl_ctx_st* list) : list_(list) {}
  std::unique_ptr<psl_ctx_st, Free> list_;
};

}  // namespace ekiden::auth
