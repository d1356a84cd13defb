#include "ekiden/dns/trust_anchors.hpp"

#include <algorithm>
#include <fstream>

#include "ekiden/base/log.hpp"
#include "ekiden/dns/error.hpp"
#include "ekiden/dns/name.hpp"

namespace ekiden::dns {
namespace {

constexpr std::size_t kFileOctetsMax = 1 << 20;

}  // namespace

std::vector<std::string> built_in_root_anchors() {
  return {". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
          ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"};
}

Result<std::vector<std::string>> owners_in_anchor_file(const std::string& path) {
  const auto refuse = [&](const char* reason) {
    base::log::error("dns_setup_failed",
                     {{"setting", "dns.trust_anchors"}, {"value", path}, {"reason", reason}});
    return Errc::BadTrustAnchor;
  };
  std::ifstream file(path);
  if (!file) return refuse("cannot be read");
  std::vector<std::string> owners;
  std::string line;
  for (std::size_t octets = 0; std::getline(file, line);) {
    octets += line.size() + 1;
    if (octets > kFileOctetsMax) return refuse("over 1 MiB");
    // A record begins at the margin; what is indented continues one.
    const std::string_view owner = std::string_view(line).substr(0, line.find_first_of(" \t;\r"));
    if (owner.empty() || owner.front() == '$' || owner.front() == ')') continue;
    std::string name = owner == "." ? std::string() : canonical_name(owner);
    if (std::find(owners.begin(), owners.end(), name) == owners.end()) {
      owners.push_back(std::move(name));
    }
  }
  if (owners.empty()) return refuse("holds no record");
  return owners;
}

bool is_at_or_below(std::string_view zone, std::string_view above) {
  if (above.empty() || zone == above) return true;
  return zone.size() > above.size() && zone.ends_with(above) &&
         zone[zone.size() - above.size() - 1] == '.';
}

}  // namespace ekiden::dns
