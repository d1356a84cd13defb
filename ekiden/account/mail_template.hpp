#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// One state of a template's texts; what they say is checked by whoever stores them.
struct TemplateVersion {
  std::string id;
  std::string name;
  std::string subject, html, text;
  base::Time created{}, changed{};
};

/// A tenant's text for mail, in versions of which one is active: what is sent by its id.
struct MailTemplate {
  std::string id;  ///< "d-" and 32 hexadecimal digits
  std::string tenant, name;
  std::string active;  ///< a version's id, or empty
  base::Time created{}, changed{};
  std::vector<TemplateVersion> versions;  ///< oldest first

  const TemplateVersion* find(const std::string& version) const {
    for (const TemplateVersion& one : versions)
      if (one.id == version) return &one;
    return nullptr;
  }
};

inline constexpr std::size_t kTemplatesMax = 1000;        ///< of one tenant
inline constexpr std::size_t kTemplateVersionsMax = 300;  ///< of one template
inline constexpr std::size_t kTemplateNameOctetsMax = 255;

}  // namespace ekiden::account
