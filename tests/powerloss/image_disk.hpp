#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/spool/disk.hpp"

namespace ekiden::powerloss {

/// A file's octets in pages that copies share until one of them writes. What was never written
/// reads as zeros and costs nothing.
class Contents {
 public:
  std::uint64_t size() const { return size_; }
  /// Cuts off what lies behind, or grows by zeros.
  void resize(std::uint64_t size);
  void write(std::uint64_t offset, std::string_view octets);
  std::size_t read(std::uint64_t offset, std::span<char> into) const;

 private:
  static constexpr std::size_t kPage = 4096;
  using Page = std::array<char, kPage>;
  Page& own(std::size_t number);

  std::vector<std::shared_ptr<Page>> pages_;
  std::uint64_t size_ = 0;
};

/// What a disk holds when the machine comes up again; a spool opens it as it would a real one.
///
/// Sharing: one thread at a time.
class ImageDisk final : public spool::Disk {
 public:
  void put(const std::string& path, Contents contents);

  Result<std::unique_ptr<spool::File>> open(const std::string& path, spool::Open mode) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<std::uint64_t> free_space() override;

 private:
  std::map<std::string, std::shared_ptr<Contents>> files_;
};

}  // namespace ekiden::powerloss
