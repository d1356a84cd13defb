#include "ekiden/bulk/untried.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::bulk {

std::uint32_t Untried::number_of(std::string_view domain) {
  if (domain.empty()) return 0;
  std::string name = base::lowered(domain);
  const auto known = numbers_.find(name);
  if (known != numbers_.end()) return known->second;
  std::size_t number = of_domain_.size();
  if (number <= kDomainsMax) {
    of_domain_.push_back(0);
  } else {
    // The number of a domain that has no row any more is given again.
    const auto free = std::find(of_domain_.begin() + 1, of_domain_.end(), 0);
    if (free == of_domain_.end()) return 0;
    number = static_cast<std::size_t>(free - of_domain_.begin());
    if (numbers_.size() >= 2 * kDomainsMax)
      std::erase_if(numbers_, [this](const auto& one) { return of_domain_[one.second] == 0; });
  }
  numbers_.emplace(std::move(name), static_cast<std::uint32_t>(number));
  return static_cast<std::uint32_t>(number);
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
