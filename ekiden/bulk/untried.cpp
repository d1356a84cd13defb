#include "ekiden/bulk/untried.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::bulk {

std::uint32_t Untried::number_of(std::string_view domain) {
  if (domain.empty()) return 0;
  std::string name = base::lowered(domain);
  const auto known = numbers_.find(name);
  if (known != numbers_.end()) return known->second;
  if (of_domain_.size() > kDomainsMax) return 0;
  const auto number = static_cast<std::uint32_t>(of_domain_.size());
  of_domain_.push_back(0);
  numbers_.emplace(std::move(name), number);
  return number;
}

bool Untried::add(std::uint32_t row, std::string_view domain) {
  if (rows_.contains(row)) return false;
  const std::uint32_t number = number_of(domain);
  rows_.emplace(row, number);
  if (++of_domain_[number] <= kCountedOfDomain) ++counted_;
  return true;
}

bool Untried::remove(std::uint32_t row) {
  const auto found = rows_.find(row);
  if (found == rows_.end()) return false;
  if (of_domain_[found->second]-- <= kCountedOfDomain) --counted_;
  rows_.erase(found);
  return true;
}

}  // namespace ekiden::bulk
