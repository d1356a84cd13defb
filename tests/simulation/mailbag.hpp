#pragma once

#include "tests/simulation/stage.hpp"

namespace ekiden::simulation {

/// Behind a line that is no field nothing is a header any more.
bool is_header_over(const Submission& mail);

/// Writes mail and sends clients with it: ordinary and odd, transactional and bulk, our own and
/// strangers'.
class Mailbag {
 public:
  explicit Mailbag(Stage& stage) : stage_(stage) {}

  /// One client with some messages.
  void begin_session();
  /// Bulk mail for one site, and behind it something that cannot wait.
  void surge();
  /// One content for many recipients, over HTTP.
  void begin_job();
  /// Another relay took a message, and says later that it came to nothing; or its reader complains.
  void return_something();

 private:
  std::string pick_recipient(bool is_strangers);
  std::shared_ptr<Submission> make_mail(bool is_bulk, bool is_strangers);
  void make_odd(Submission& mail);
  void make_special(Submission& mail);
  void make_strange(Submission& mail);
  void ask_by_header(Submission& mail);
  void ask_oddly(Submission& mail);
  void make_personal(Submission& mail);
  void choose_way(Manner& manner, net::Endpoint& to, bool is_bulk, Submissions& mails);
  void need_tls(const Manner& manner, const Submissions& mails);
  std::function<void()> when_accepted();
  void submit(net::Endpoint to, net::Endpoint from, Submissions mails, Manner manner);

  Stage& stage_;
};

}  // namespace ekiden::simulation
