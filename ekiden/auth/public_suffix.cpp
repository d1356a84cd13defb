#include "ekiden/auth/public_suffix.hpp"

#include <libpsl.h>

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::auth {
namespace {

/// The last `count` labels of `name`.
std::string_view last_labels(std::string_view name, std::ptrdiff_t count) {
  std::size_t start = name.size();
  while (count-- > 0) {
    start = name.rfind('.', start - 1);
    if (start == std::string_view::npos) return name;
  }
  return name.substr(start + 1);
}

}  // namespace

void PublicSuffixList::Free::operator()(psl_ctx_st* list) const {
  psl_free(list);
}

Result<PublicSuffixList> PublicSuffixList::load_newest() {
  psl_ctx_t* const list = psl_latest(nullptr);
  if (list == nullptr) return Errc::BadSuffixList;
  return PublicSuffixList(list);
}

Result<PublicSuffixList> PublicSuffixList::load(const std::string& file) {
  psl_ctx_t* const list = psl_load_file(file.c_str());
  if (list == nullptr) return Errc::BadSuffixList;
  PublicSuffixList loaded(list);
  // libpsl takes a file of anything for an empty list. For a compiled list it cannot count.
  if (psl_suffix_count(list) == 0) return Errc::BadSuffixList;
  return loaded;
}

std::optional<std::string> PublicSuffixList::organizational_domain(std::string_view name) const {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.find('\0') != std::string_view::npos) return std::nullopt;
  // Compared as A-labels. What has none, "_dmarc" for one, is compared as it stands.
  const Result<std::string> canonical = smtp::canonical_domain(name);
  const std::string compared = canonical ? *canonical : base::lowered(name);
  if (compared.front() == '[' || !dns::wire_of_name(compared)) return std::nullopt;
  // RFC 6762 §3: names below "local" mean something on one link only; nobody registers them.
  if (compared == "local" || compared.ends_with(".local")) return std::nullopt;
  const char* const found = psl_registrable_domain(list_.get(), compared.c_str());
  if (found == nullptr) return std::nullopt;
  const std::string_view domain(found);
  const auto labels = std::count(domain.begin(), domain.end(), '.') + 1;
  return base::lowered(last_labels(name, labels));
}

}  // namespace ekiden::auth
