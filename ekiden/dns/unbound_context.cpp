#include "ekiden/dns/unbound_context.hpp"

#include <unbound.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <optional>

#include "ekiden/base/log.hpp"
#include "ekiden/dns/name.hpp"

// Invariants: `questions` holds what libunbound has and nobody cancelled; libunbound's callback
// only moves an answer to `finished`, so that completions run outside libunbound and may do
// anything, this context's end included; the descriptor belongs to libunbound and is released,
// never closed, here.

namespace ekiden::dns {
namespace {

constexpr int kClassIn = 1;
constexpr int kRcodeNoError = 0;
constexpr int kRcodeNxDomain = 3;

// The library's own defaults (16 ports, 2 TCP connections) are for one program that asks now and
// then; a relay asks thousands of questions at once.
constexpr std::pair<const char*, const char*> kOptions[] = {
    {"outgoing-range:", "400"},
    {"num-queries-per-thread:", "4096"},
    {"outgoing-num-tcp:", "64"},
    {"msg-cache-size:", "4m"},
    {"rrset-cache-size:", "8m"},
    {"neg-cache-size:", "1m"},
    {"key-cache-size:", "2m"},
    {"edns-buffer-size:", "1232"},
    {"do-not-query-localhost:", "no"},
    // The relay's own network may be asked: whose private zones they are is the server's matter.
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    // The only way to get the reason of a bogus answer.
    {"val-log-level:", "2"},
};

std::string address_text(const net::Endpoint& server) {
  return server.address.to_string() + "@" + std::to_string(server.port);
}

Error refuse(Errc error, const char* setting, std::string_view value, int code) {
  base::log::error("dns_setup_failed",
                   {{"setting", setting}, {"value", value}, {"reason", ub_strerror(code)}});
  return error;
}

struct ContextDeleter {
  void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};
using ContextPointer = std::unique_ptr<ub_ctx, ContextDeleter>;

Result<ContextPointer> make_context(const UnboundSetup& setup) {
  ContextPointer context(ub_ctx_create());
  if (!context) return Errc::OutOfResources;
  ub_ctx* const ctx = context.get();
  ub_ctx_debugout(ctx, nullptr);
  // A thread, not a process: a fork of the relay would hold its sockets open.
  int code = ub_ctx_async(ctx, 1);
  for (const auto& [option, value] : kOptions) {
    if (code == 0) code = ub_ctx_set_option(ctx, option, value);
  }
  const char* modules = setup.validates ? "validator iterator" : "iterator";
  if (code == 0) code = ub_ctx_set_option(ctx, "module-config:", modules);
  if (code != 0) return refuse(Errc::OutOfResources, "dns", "options", code);

  for (const std::string& zone : setup.insecure_zones) {
    code = ub_ctx_set_option(ctx, "domain-insecure:", zone.c_str());
    if (code != 0) return refuse(Errc::BadStub, "dns.stub", zone, code);
  }
  if (!setup.resolv_conf.empty()) {
    code = ub_ctx_resolvconf(ctx, setup.resolv_conf.c_str());
    if (code != 0) return refuse(Errc::NoServer, "dns.mode", setup.resolv_conf, code);
  }
  if (!setup.hosts.empty()) {
    // A machine may do without the file.
    ub_ctx_hosts(ctx, setup.hosts.c_str());
  }
  for (const net::Endpoint& server : setup.forward) {
    code = ub_ctx_set_fwd(ctx, address_text(server).c_str());
    if (code != 0) return refuse(Errc::NoServer, "dns.forward", address_text(server), code);
  }
  for (const auto& [zone, server] : setup.stubs) {
    code = ub_ctx_set_stub(ctx, zone.c_str(), address_text(server).c_str(), 0);
    if (code != 0) return refuse(Errc::BadStub, "dns.stub", zone, code);
  }
  if (setup.validates) {
    for (const std::string& anchor : setup.anchors) {
      code = ub_ctx_add_ta(ctx, anchor.c_str());
      if (code != 0) return refuse(Errc::BadTrustAnchor, "dns.trust_anchors", anchor, code);
    }
    for (const std::string& file : setup.anchor_files) {
      code = ub_ctx_add_ta_file(ctx, file.c_str());
      if (code != 0) return refuse(Errc::BadTrustAnchor, "dns.trust_anchors", file, code);
    }
  }
  // This settles the configuration, so it comes last. RFC 6761 §6.2 has resolvers answer for
  // "test." themselves; here test beds live.
  code = ub_ctx_zone_remove(ctx, "test.");
  for (const auto& [zone, server] : setup.stubs) {
    if (code == 0) code = ub_ctx_zone_remove(ctx, zone.c_str());
  }
  if (code != 0) return refuse(Errc::BadTrustAnchor, "dns", "trust_anchors or stub", code);
  return context;
}

/// libunbound reads names as zone files have them: what would mean something there is written as
/// "\\DDD" (RFC 1035 §5.1).
std::string escaped(std::string_view name) {
  std::string text;
  text.reserve(name.size() + 1);
  for (const char c : name) {
    if (c > ' ' && c < '\x7f' && c != '\\' && c != '"' && c != '(' && c != ')' && c != ';') {
      text += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    text += '\\';
    for (const int digit : {octet / 100, octet / 10 % 10, octet % 10}) {
      text += static_cast<char>('0' + digit);
    }
  }
  return text;
}

Answer failure(std::string name, std::string reason) {
  Answer answer;
  answer.canonical_name = std::move(name);
  answer.reason = std::move(reason);
  return answer;
}

std::string rcode_text(int rcode) {
  switch (rcode) {
    case 1:
      return "the server says FORMERR";
    case 2:
      return "SERVFAIL: no server gave a usable answer";
    case 5:
      return "the server says REFUSED";
  }
  return "the server says RCODE " + std::to_string(rcode);
}

}  // namespace

Answer answer_of(const ub_result& result) {
  Answer answer;
  const char* name = result.canonname != nullptr ? result.canonname : result.qname;
  answer.canonical_name = canonical_name(name != nullptr ? name : "");
  answer.ttl_s = result.ttl > 0 ? static_cast<std::uint32_t>(result.ttl) : 0;
  // Bogus comes first: such a result carries data all the same.
  if (result.bogus != 0) {
    answer.status = Status::Bogus;
    answer.reason = result.why_bogus != nullptr ? result.why_bogus : "DNSSEC validation failed";
    return answer;
  }
  answer.is_secure = result.secure != 0;
  if (result.rcode == kRcodeNxDomain || result.nxdomain != 0) {
    answer.status = Status::NoDomain;
  } else if (result.rcode != kRcodeNoError) {
    answer.status = Status::Failed;
    answer.is_secure = false;
    answer.reason = rcode_text(result.rcode);
  } else if (result.havedata == 0) {
    answer.status = Status::NoData;
  } else {
    answer.status = Status::Ok;
    for (int i = 0; result.data[i] != nullptr; ++i) {
      answer.rdata.emplace_back(result.data[i], static_cast<std::size_t>(result.len[i]));
    }
  }
  return answer;
}

struct UnboundContext::State : std::enable_shared_from_this<State> {
  using Descriptor = base::asio::posix::basic_stream_descriptor<base::IoExecutor>;

  struct Question {
    State* state;
    QuestionId id;
    int async_id = 0;
    base::Completion<Answer> done;
  };

  ContextPointer context;
  std::optional<Descriptor> descriptor;
  std::map<QuestionId, std::unique_ptr<Question>> questions;
  std::vector<std::pair<base::Completion<Answer>, Answer>> finished;
  QuestionId last_id = 0;
  bool closed = false;

  static void on_answer(void* user, int code, ub_result* result) {
    auto* const asked = static_cast<Question*>(user);
    State* const state = asked->state;
    auto question = state->questions.extract(asked->id);
    Answer answer =
        code != 0 || result == nullptr ? failure("", ub_strerror(code)) : answer_of(*result);
    ub_resolve_free(result);
    if (!question.empty()) {
      state->finished.emplace_back(std::move(question.mapped()->done), std::move(answer));
    }
  }

  void watch() {
    auto ready = [self = shared_from_this()](const boost::system::error_code& error) {
      if (error || self->closed) return;
      self->process();
    };
    descriptor->async_wait(Descriptor::wait_read, std::move(ready));
  }

  void process() {
    ub_process(context.get());
    std::vector<std::pair<base::Completion<Answer>, Answer>> now = std::move(finished);
    finished.clear();
    watch();
    for (auto& [done, answer] : now) {
      if (closed) return;  // a completion ended the context
      done(std::move(answer));
    }
  }

  void close() {
    if (closed) return;
    closed = true;
    for (const auto& [id, question] : questions) ub_cancel(context.get(), question->async_id);
    descriptor->release();
    context.reset();
    questions.clear();
    finished.clear();
  }
};

UnboundContext::UnboundContext(std::shared_ptr<State> state) : state_(std::move(state)) {}

UnboundContext::~UnboundContext() {
  state_->close();
}

Result<std::unique_ptr<UnboundContext>> UnboundContext::create(base::IoExecutor io,
                                                               const UnboundSetup& setup) {
  Result<ContextPointer> context = make_context(setup);
  if (!context) return context.error();
  auto state = std::make_shared<State>();
  state->context = std::move(*context);
  const int fd = ub_fd(state->context.get());
  if (fd < 0) return Errc::OutOfResources;
  state->descriptor.emplace(io);
  boost::system::error_code error;
  state->descriptor->assign(fd, error);
  if (error) return Errc::OutOfResources;
  state->watch();
  return std::unique_ptr<UnboundContext>(new UnboundContext(std::move(state)));
}

Result<UnboundContext::QuestionId> UnboundContext::ask(const std::string& name, Type type,
                                                       base::Completion<Answer> done) {
  State& state = *state_;
  auto question = std::make_unique<State::Question>();
  question->state = &state;
  question->id = ++state.last_id;
  question->done = std::move(done);
  const QuestionId id = question->id;
  State::Question* const asked = question.get();
  state.questions.emplace(id, std::move(question));
  const std::string absolute = escaped(name) + ".";
  const int code = ub_resolve_async(state.context.get(), absolute.c_str(), static_cast<int>(type),
                                    kClassIn, asked, State::on_answer, &asked->async_id);
  if (code != 0) {
    state.questions.erase(id);
    return Errc::OutOfResources;
  }
  return id;
}

bool UnboundContext::cancel(QuestionId id) {
  auto question = state_->questions.extract(id);
  if (question.empty()) return false;
  ub_cancel(state_->context.get(), question.mapped()->async_id);
  return true;
}

std::size_t UnboundContext::size() const {
  return state_->questions.size();
}

}  // namespace ekiden::dns
