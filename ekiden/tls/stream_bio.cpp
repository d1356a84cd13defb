#include "ekiden/tls/stream_bio.hpp"

namespace ekiden::tls {
namespace {

BioTarget& target_of(BIO* bio) {
  return *static_cast<BioTarget*>(BIO_get_data(bio));
}

int read(BIO* bio, char* into, std::size_t size, std::size_t* done) {
  BioTarget& target = target_of(bio);
  BIO_clear_retry_flags(bio);
  *done = 0;
  const Result<std::size_t> octets = target.stream->try_read({into, size});
  if (octets) {
    *done = *octets;
    return 1;
  }
  if (octets.error() == net::Errc::WouldBlock) {
    BIO_set_retry_read(bio);
    return -1;
  }
  target.error = octets.error();
  if (octets.error() == net::Errc::EndOfStream) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return 0;
  }
  return -1;
}

int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
  BioTarget& target = target_of(bio);
  BIO_clear_retry_flags(bio);
  *done = 0;
  const std::string_view piece(from, size);
  const Result<std::size_t> octets = target.stream->try_write(std::span(&piece, 1));
  if (octets) {
    *done = *octets;
    return 1;
  }
  if (octets.error() == net::Errc::WouldBlock) {
    BIO_set_retry_write(bio);
  } else {
    target.error = octets.error();
  }
  return -1;
}

long control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;  // Nothing is held back.
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
      return 0;
  }
}

const BIO_METHOD* method() {
  // Made once and kept: BIOs refer to it until the process ends.
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ekiden stream");
    if (made != nullptr) {
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_ctrl(made, control);
    }
    return made;
  }();
  return kMethod;
}

}  // namespace

BIO* make_stream_bio(BioTarget& target) {
  BIO* const bio = method() != nullptr ? BIO_new(method()) : nullptr;
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &target);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace ekiden::tls
