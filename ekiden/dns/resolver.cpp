#include "ekiden/dns/resolver.hpp"

namespace ekiden::dns {

base::Task<Answer> resolve(Resolver& resolver, std::string name, Type type) {
  auto begin = [&](base::Completion<Answer> done) {
    resolver.resolve(std::move(name), type, std::move(done));
  };
  co_return co_await base::suspend<Answer>(std::move(begin));
}

}  // namespace ekiden::dns
