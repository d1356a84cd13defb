#include "tests/powerloss/image_disk.hpp"

#include <algorithm>
#include <cstring>

#include "ekiden/spool/error.hpp"

namespace ekiden::powerloss {
namespace {

class ImageFile final : public spool::File {
 public:
  explicit ImageFile(std::shared_ptr<Contents> contents) : contents_(std::move(contents)) {}

  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    for (const std::string_view piece : pieces) {
      contents_->write(offset, piece);
      offset += piece.size();
    }
    return {};
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    return contents_->read(offset, into);
  }
  Result<void> sync() override { return {}; }
  Result<void> allocate(std::uint64_t size) override {
    if (size > contents_->size()) contents_->resize(size);
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    contents_->resize(size);
    return {};
  }
  Result<std::uint64_t> size() override { return contents_->size(); }

 private:
  std::shared_ptr<Contents> contents_;
};

}  // namespace

Contents::Page& Contents::own(std::size_t number) {
  if (pages_.size() <= number) pages_.resize(number + 1);
  std::shared_ptr<Page>& page = pages_[number];
  if (!page) {
    page = std::make_shared<Page>();
    page->fill(0);
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void Contents::resize(std::uint64_t size) {
  if (size < size_) {
    const std::size_t whole = static_cast<std::size_t>(size / kPage);
    if (size % kPage != 0 && whole < pages_.size() && pages_[whole])
      std::fill(own(whole).begin() + static_cast<std::ptrdiff_t>(size % kPage), own(whole).end(),
                '\0');
    pages_.resize(std::min<std::size_t>(pages_.size(), whole + (size % kPage != 0 ? 1 : 0)));
  }
  size_ = size;
}

void Contents::write(std::uint64_t offset, std::string_view octets) {
  size_ = std::max(size_, offset + octets.size());
  while (!octets.empty()) {
    const auto number = static_cast<std::size_t>(offset / kPage);
    const auto inside = static_cast<std::size_t>(offset % kPage);
    const std::size_t n = std::min(octets.size(), kPage - inside);
    std::memcpy(own(number).data() + inside, octets.data(), n);
    offset += n;
    octets.remove_prefix(n);
  }
}

std::size_t Contents::read(std::uint64_t offset, std::span<char> into) const {
  if (offset >= size_) return 0;
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
  for (std::size_t done = 0; done < wanted;) {
    const auto number = static_cast<std::size_t>((offset + done) / kPage);
    const auto inside = static_cast<std::size_t>((offset + done) % kPage);
    const std::size_t n = std::min(wanted - done, kPage - inside);
    if (number < pages_.size() && pages_[number]) {
      std::memcpy(into.data() + done, pages_[number]->data() + inside, n);
    } else {
      std::memset(into.data() + done, 0, n);
    }
    done += n;
  }
  return wanted;
}

void ImageDisk::put(const std::string& path, Contents contents) {
  files_[path] = std::make_shared<Contents>(std::move(contents));
}

Result<std::unique_ptr<spool::File>> ImageDisk::open(const std::string& path, spool::Open mode) {
  const auto found = files_.find(path);
  if (found == files_.end() && mode == spool::Open::Existing) return spool::Errc::NotFound;
  if (found != files_.end() && mode == spool::Open::CreateNew) return spool::Errc::Io;
  std::shared_ptr<Contents>& contents = files_[path];
  if (!contents) contents = std::make_shared<Contents>();
  return std::unique_ptr<spool::File>(std::make_unique<ImageFile>(contents));
}

Result<void> ImageDisk::rename(const std::string& from, const std::string& to) {
  const auto found = files_.find(from);
  if (found == files_.end()) return spool::Errc::NotFound;
  files_[to] = found->second;
  files_.erase(from);
  return {};
}

Result<void> ImageDisk::remove(const std::string& path) {
  if (files_.erase(path) == 0) return spool::Errc::NotFound;
  return {};
}

Result<void> ImageDisk::make_directory(const std::string&) {
  return {};
}

Result<std::vector<std::string>> ImageDisk::list(const std::string& directory) {
  std::vector<std::string> names;
  const std::string prefix = directory.empty() ? directory : directory + "/";
  for (const auto& [path, contents] : files_)
    if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos)
      names.push_back(path.substr(prefix.size()));
  return names;
}

Result<void> ImageDisk::sync_directory(const std::string&) {
  return {};
}

Result<std::uint64_t> ImageDisk::free_space() {
  return std::uint64_t{1} << 40;
}

}  // namespace ekiden::powerloss
