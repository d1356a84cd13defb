#include "ekiden/cli/egress_check.hpp"

#include <algorithm>
#include <array>

#include "ekiden/auth/spf_check.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/delivery/reverse_name.hpp"
#include "ekiden/net/address_block.hpp"
#include "ekiden/net/error.hpp"

namespace ekiden::cli {
namespace {

using delivery::ReverseName;
using Side = ExaminedSource::Side;

/// A greeting has 512 octets (RFC 5321 §4.5.3.1.5); what is longer is cut.
constexpr std::size_t kGreetingOctetsMax = 512;
constexpr std::size_t kAddressesMax = 3;  ///< of one probe and family

std::string family_of(bool is_v4) {
  return is_v4 ? "IPv4" : "IPv6";
}

/// How one probe ended.
struct Probed {
  bool is_connected = false;
  bool is_greeted = false;
  std::uint16_t code = 0;
  std::string text;
  std::optional<Error> error;
};

class Examination {
 public:
  Examination(base::Worker& worker, dns::Resolver& resolver, net::Network& network,
              EgressCheck check)
      : worker_(worker), resolver_(resolver), network_(network), check_(std::move(check)) {}

  base::Task<std::vector<Finding>> run() {
    for (const ExaminedSource& source : check_.sources) {
      source_ = &source;
      co_await hostname();
      for (const Side& side : source.sides) {
        const bool is_here = address(side);
        if (is_here) co_await port(side);
        if (side.seen) co_await reverse_name(side);
        if (side.seen) co_await sender_policy(side);
      }
      if (source.sides.empty()) {
        const Side any;
        co_await port(any);
        add(Severity::Note, "address", "",
            {"the source has no address of its own, so PTR and SPF cannot be checked",
             "送信元アドレスが設定されていないため、PTR と SPF は確認できません"},
            {"give it ipv4 or public_ipv4 in [[source]]",
             "[[source]] に ipv4 または public_ipv4 を設定してください"});
      }
    }
    co_return std::move(findings_);
  }

 private:
  void add(Severity severity, std::string check, std::string subject, Text what, Text fix = {}) {
    findings_.push_back({severity, std::move(check), source_->name, std::move(subject),
                         std::move(what), std::move(fix)});
  }

  /// Whether it can be sent from.
  bool address(const Side& side) {
    if (!side.local || source_->hop != nullptr) return true;
    const std::string text = side.local->to_string();
    auto listener = network_.listen({*side.local, 0}, {}, [](std::unique_ptr<net::Stream>) {});
    if (!listener && listener.error() == net::Errc::AddressUnavailable) {
      add(Severity::Error, "address", text,
          {text + " is not an address of this machine",
           text + " はこのマシンのアドレスではありません"},
          {"add it to an interface (ip address add), or correct [[source]]",
           "インターフェースに追加する(ip address add)か、[[source]] を修正してください"});
      return false;
    }
    add(Severity::Fine, "address", text,
        {text + " is on this machine", text + " はこのマシンにあります"});
    if (!side.seen)
      add(Severity::Note, "address", text,
          {text + " is no public address: PTR and SPF cannot be checked",
           text + " はグローバルアドレスではないため、PTR と SPF は確認できません"},
          {"name the address that others see as public_ipv4 or public_ipv6",
           "外部から見えるアドレスを public_ipv4 / public_ipv6 に設定してください"});
    return true;
  }

  base::Task<void> hostname() {
    const std::string& name = source_->hostname;
    const dns::Answer v4 = co_await dns::resolve(resolver_, name, dns::Type::A);
    const dns::Answer v6 = co_await dns::resolve(resolver_, name, dns::Type::AAAA);
    const bool has_any = !dns::addresses_of(v4).empty() || !dns::addresses_of(v6).empty();
    const auto is_broken = [](const dns::Answer& answer) {
      return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
    };
    if (has_any) {
      add(Severity::Fine, "ehlo_name", name,
          {"the EHLO name " + name + " has an address", "EHLO 名 " + name + " は名前解決できます"});
    } else if (is_broken(v4) || is_broken(v6)) {
      add(Severity::Warning, "ehlo_name", name,
          {"the DNS does not answer for the EHLO name " + name,
           "EHLO 名 " + name + " について DNS が応答しません"},
          {"check its name servers", "権威ネームサーバーを確認してください"});
    } else {
      add(Severity::Error, "ehlo_name", name,
          {"the EHLO name " + name + " does not resolve: many refuse such clients",
           "EHLO 名 " + name + " が名前解決できません。多くの受信側が拒否します"},
          {"publish A/AAAA records for it, or correct hostname",
           "A / AAAA レコードを公開するか、hostname を修正してください"});
    }
  }

  base::Task<void> reverse_name(const Side& side) {
    const net::Address seen = *side.seen;
    std::string wanted = source_->hostname;
    const ReverseName found = co_await delivery::find_reverse_name(resolver_, seen, wanted);
    const std::string text = seen.to_string();
    const std::string en = found.text(seen, source_->hostname);
    const std::string unused = side.needs_ptr ? "; ekiden does not use this IPv6 address" : "";
    const std::string unused_ja = side.needs_ptr ? "。ekiden はこの IPv6 アドレスを使いません" : "";
    switch (found.verdict) {
      case ReverseName::Verdict::Confirmed:
        add(Severity::Fine, "ptr", text,
            {en, text + " の PTR は " + source_->hostname + " で、正引きも一致します"});
        break;
      case ReverseName::Verdict::NoPtr:
        add(Severity::Error, "ptr", text, {en + unused, text + " に PTR がありません" + unused_ja},
            {"ask whoever gave you the address for the PTR record " + source_->hostname,
             "アドレスの提供元に PTR " + source_->hostname + " の設定を依頼してください"});
        break;
      case ReverseName::Verdict::OtherName:
        add(side.needs_ptr ? Severity::Error : Severity::Warning, "ptr", text,
            {en + unused, text + " の PTR が " + source_->hostname + " と異なります" + unused_ja},
            {"have the PTR record changed, or set hostname to what it names",
             "PTR を変更してもらうか、hostname を PTR の名前に合わせてください"});
        break;
      case ReverseName::Verdict::NotForward:
        add(Severity::Error, "ptr", text,
            {en + unused,
             source_->hostname + " の正引きが " + text + " を指していません" + unused_ja},
            {std::string("publish ") + (seen.is_v4() ? "an A" : "an AAAA") + " record of " +
                 source_->hostname + " with " + text,
             source_->hostname + " の " + (seen.is_v4() ? "A" : "AAAA") + " レコードに " + text +
                 " を追加してください"});
        break;
      case ReverseName::Verdict::Unknown:
        add(Severity::Warning, "ptr", text,
            {en + unused, text + " の PTR を確認できません(DNS の応答なし)" + unused_ja},
            {"try again; check the resolver and the reverse zone's servers",
             "リゾルバーと逆引きゾーンのサーバーを確認して、再実行してください"});
        break;
    }
  }

  base::Task<auth::SpfResult> ask_spf(net::Address ip, std::string sender) {
    auth::SpfQuery query;
    query.ip = std::move(ip);
    query.sender = std::move(sender);
    query.helo = source_->hostname;
    query.now = check_.now;
    co_return co_await auth::check_spf(resolver_, worker_.clock, std::move(query));
  }

  base::Task<void> sender_policy(const Side& side) {
    const net::Address seen = *side.seen;
    const std::string ip = seen.to_string();
    const std::string term = (seen.is_v4() ? "ip4:" : "ip6:") + ip;
    std::string null_sender;
    const auth::SpfResult helo = co_await ask_spf(seen, std::move(null_sender));
    if (helo.verdict == auth::Verdict::Pass) {
      add(Severity::Fine, "spf_helo", source_->hostname,
          {"SPF of the EHLO name covers " + ip, "EHLO 名の SPF は " + ip + " を含みます"});
    } else {
      const bool is_none = helo.verdict == auth::Verdict::None;
      const std::string verdict(auth::verdict_name(helo.verdict));
      add(is_none ? Severity::Note : Severity::Warning, "spf_helo", source_->hostname,
          {is_none ? source_->hostname + " has no SPF record; bounces are checked against it"
                   : "SPF of " + source_->hostname + " says " + verdict + " for " + ip +
                         (helo.problem.empty() ? "" : ": " + helo.problem),
           is_none ? source_->hostname + " に SPF がありません(空の送信者の検証に使われます)"
                   : source_->hostname + " の SPF が " + ip + " に対して " + verdict + " です"},
          {"publish for " + source_->hostname + ": \"v=spf1 a -all\"",
           source_->hostname + " に \"v=spf1 a -all\" を公開してください"});
    }
    for (const std::string& domain : check_.domains) {
      std::string sender = "postmaster@" + domain;
      const auth::SpfResult result = co_await ask_spf(seen, std::move(sender));
      judge(domain, ip, term, result);
    }
  }

  void judge(const std::string& domain, const std::string& ip, const std::string& term,
             const auth::SpfResult& result) {
    const std::string verdict(auth::verdict_name(result.verdict));
    switch (result.verdict) {
      case auth::Verdict::Pass:
        return add(Severity::Fine, "spf", domain,
                   {"SPF of " + domain + " covers " + ip + " (" + result.mechanism + ")",
                    domain + " の SPF は " + ip + " を含みます(" + result.mechanism + ")"});
      case auth::Verdict::None:
        return add(Severity::Error, "spf", domain,
                   {domain + " has no SPF record: large providers ask for one",
                    domain + " に SPF がありません。大手プロバイダーは SPF を要求します"},
                   {"publish for " + domain + ": \"v=spf1 " + term + " ~all\"",
                    domain + " に \"v=spf1 " + term + " ~all\" を公開してください"});
      case auth::Verdict::TemporaryError:
        return add(Severity::Warning, "spf", domain,
                   {"SPF of " + domain + " cannot be looked up: " + result.problem,
                    domain + " の SPF を確認できません(DNS エラー)"},
                   {"try again; check the domain's name servers",
                    "ネームサーバーを確認して、再実行してください"});
      case auth::Verdict::PermanentError:
        return add(Severity::Error, "spf", domain,
                   {"the SPF record of " + domain + " is broken: " + result.problem,
                    domain + " の SPF レコードに誤りがあります: " + result.problem},
                   {"correct it: nobody accepts a broken record as a pass",
                    "修正してください。誤った SPF は pass になりません"});
      default:
        break;
    }
    add(result.verdict == auth::Verdict::Fail ? Severity::Error : Severity::Warning, "spf", domain,
        {"SPF of " + domain + " does not cover " + ip + ": " + verdict + " (" + result.mechanism +
             ")",
         domain + " の SPF が " + ip + " を含んでいません: " + verdict},
        {"add " + term + " in front of the record's \"all\"",
         "SPF レコードの \"all\" の前に " + term + " を追加してください"});
  }

  // --- port 25

  base::Task<Probed> probe(net::Endpoint to, const Side& side) {
    Probed probed;
    const base::Steady deadline = worker_.clock.steady() + check_.timeout;
    Result<std::unique_ptr<net::Stream>> stream = net::Errc::Other;
    if (source_->hop != nullptr) {
      std::shared_ptr<const delivery::Hop> hop = source_->hop;
      std::optional<net::Address> from = side.local;
      std::shared_ptr<net::Cancellation> nobody;
      stream = co_await delivery::connect_by_hop(network_, std::move(hop), to, std::move(from),
                                                 std::move(nobody), deadline);
    } else {
      net::ConnectOptions options;
      options.source = side.local;
      stream = co_await network_.connect(to, options, deadline);
    }
    if (!stream) {
      probed.error = stream.error();
      co_return probed;
    }
    probed.is_connected = true;
    std::array<char, kGreetingOctetsMax> buffer;
    std::string greeting;
    while (greeting.find('\n') == std::string::npos && greeting.size() < kGreetingOctetsMax) {
      const std::span<char> room(buffer.data(), kGreetingOctetsMax - greeting.size());
      const Result<std::size_t> read = co_await net::read_some(**stream, room, deadline);
      if (!read) {
        probed.error = read.error();
        break;
      }
      greeting.append(buffer.data(), *read);
    }
    const std::string_view line =
        base::trimmed(std::string_view(greeting).substr(0, greeting.find('\n')));
    const auto code = base::parse_u64(line.substr(0, 3));
    if (code && *code >= 200 && *code < 600) {
      probed.is_greeted = true;
      probed.code = static_cast<std::uint16_t>(*code);
    }
    probed.text = base::printable(line, 200);
    const Result<void> said = co_await net::write_all(**stream, "QUIT\r\n", deadline);
    (void)said;  // nothing depends on it
    (*stream)->close();
    co_return probed;
  }

  base::Task<std::vector<net::Endpoint>> endpoints_of(EgressCheck::Probe target, bool wants_v4,
                                                      bool wants_v6) {
    std::vector<net::Endpoint> all;
    if (const auto literal = net::parse_address(target.host)) {
      const bool is_wanted = literal->is_v4() ? wants_v4 : wants_v6;
      if (is_wanted) all.push_back({*literal, target.port});
      co_return all;
    }
    for (const dns::Type type : {dns::Type::A, dns::Type::AAAA}) {
      if (type == dns::Type::A ? !wants_v4 : !wants_v6) continue;
      const dns::Answer answer = co_await dns::resolve(resolver_, target.host, type);
      std::size_t count = 0;
      for (const net::Address& address : dns::addresses_of(answer))
        if (count++ < kAddressesMax) all.push_back({address, target.port});
    }
    co_return all;
  }

  base::Task<void> port(const Side& side) {
    const bool wants_v4 = !side.local || side.local->is_v4();
    // Without an address of its own the machine may well have no IPv6: that is no finding.
    const bool wants_v6 = side.local && side.local->is_v6();
    const std::string from = side.local ? side.local->to_string() : std::string("this machine");
    const std::string from_ja = side.local ? side.local->to_string() : std::string("このマシン");
    unsigned asked = 0, connected = 0, timed_out = 0;
    std::string last;
    for (const EgressCheck::Probe& target : check_.probes) {
      EgressCheck::Probe wanted = target;
      const std::vector<net::Endpoint> endpoints =
          co_await endpoints_of(std::move(wanted), wants_v4, wants_v6);
      const std::string name = target.host + ":" + std::to_string(target.port);
      if (endpoints.empty()) {
        add(Severity::Note, "port", name,
            {name + " has no " + family_of(wants_v4) + " address: not probed",
             name + " に " + family_of(wants_v4) + " アドレスがないため確認していません"});
        continue;
      }
      ++asked;
      Probed best;
      for (const net::Endpoint& endpoint : endpoints) {
        best = co_await probe(endpoint, side);
        if (best.is_connected) break;
      }
      if (best.error && delivery::is_hop_failure(*best.error)) {
        const std::string hop = source_->hop->text();
        add(Severity::Error, "port", hop,
            {"the " + hop + " cannot be used: " + best.error->message(),
             hop + " を利用できません: " + best.error->message()},
            {"start the proxy, and check its address, login and rules",
             "プロキシの起動状態、アドレス、認証情報、ルールを確認してください"});
        co_return;
      }
      if (best.is_connected) ++connected;
      if (!best.is_connected && best.error == net::Errc::TimedOut) ++timed_out;
      if (!best.is_connected) last = best.error ? best.error->message() : "";
      tell_probe(best, name, from, from_ja);
    }
    if (asked == 0 || connected > 0) co_return;
    if (timed_out == asked) {
      add(Severity::Error, "port", from,
          {"nothing answers on port 25 from " + from +
               ": outbound port 25 is most likely blocked (OP25B)",
           from_ja +
               " から 25 番ポートへ接続できません。OP25B(25 番ポートの送信規制)の可能性が高いです"},
          {"ask the provider to open port 25 for a fixed address, or deliver by a smart host on "
           "port 587 with [[route]]",
           "固定 IP での 25 番ポート開放を事業者に申請するか、[[route]] で 587 番の"
           "スマートホストを経由してください"});
    } else {
      add(Severity::Error, "port", from,
          {"no connection leaves from " + from + ": " + last,
           from_ja + " から接続できません: " + last},
          {"check routes and the firewall of this machine and of its network",
           "このマシンとネットワークの経路・ファイアウォールを確認してください"});
    }
  }

  void tell_probe(const Probed& probed, const std::string& name, const std::string& from,
                  const std::string& from_ja) {
    if (probed.is_greeted && probed.code == 220) {
      return add(Severity::Fine, "port", name,
                 {name + " greets " + from, name + " は " + from_ja + " からの接続に応答します"});
    }
    if (probed.is_connected) {
      const std::string said =
          probed.text.empty() ? (probed.error ? probed.error->message() : "nothing") : probed.text;
      return add(Severity::Warning, "port", name,
                 {name + " does not welcome " + from + ": " + said,
                  name + " が " + from_ja + " を受け入れません: " + said},
                 {"read the reply: the address may be listed, or the EHLO name unknown",
                  "応答を確認してください。アドレスがブロックリストに載っている可能性があります"});
    }
    add(Severity::Warning, "port", name,
        {name + " cannot be reached from " + from + ": " +
             (probed.error ? probed.error->message() : ""),
         name + " に " + from_ja +
             " から接続できません: " + (probed.error ? probed.error->message() : "")});
  }

  base::Worker& worker_;
  dns::Resolver& resolver_;
  net::Network& network_;
  EgressCheck check_;
  const ExaminedSource* source_ = nullptr;
  std::vector<Finding> findings_;
};

}  // namespace

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::Fine:
      return "ok";
    case Severity::Note:
      return "note";
    case Severity::Warning:
      return "warning";
    case Severity::Error:
      break;
  }
  return "error";
}

base::Task<std::vector<Finding>> examine_egress(base::Worker& worker, dns::Resolver& resolver,
                                                net::Network& network, EgressCheck check) {
  Examination examination(worker, resolver, network, std::move(check));
  co_return co_await examination.run();
}

}  // namespace ekiden::cli
