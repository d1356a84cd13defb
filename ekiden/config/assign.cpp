#include "ekiden/config/assign.hpp"

#include <cmath>
#include <limits>

#include "ekiden/base/text.hpp"
#include "ekiden/config/diagnostic.hpp"
#include "ekiden/config/toml.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::config {

namespace {

/// The value as its writer wrote it, short enough for a message.
std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return "\"" + base::printable(text->get(), 60) + "\"";
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (node.is_floating_point()) return "a fraction";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  return "a date";
}

Complaint takes(std::string what, const toml::node& node) {
  return {"takes " + what + ", not " + shown(node), {}, &node};
}

Complaint takes_word(const std::vector<std::string>& words, const toml::node& node) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += "\"" + words[i] + "\"";
  }
  Complaint complaint = takes(list, node);
  if (const auto* text = node.as_string()) complaint.nearest = find_nearest(text->get(), words);
  return complaint;
}

std::optional<std::size_t> word_index(const std::vector<std::string>& words,
                                      const toml::node& node) {
  const auto* text = node.as_string();
  if (text == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text->get()) return i;
  }
  return std::nullopt;
}

bool has_control(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

constexpr const char* kDuration = "a duration like \"5m\", \"250ms\" or \"1h30m\"";
constexpr const char* kSize = "a size like \"10MiB\" (units B, KiB, MiB, GiB, TiB)";
constexpr const char* kRate = "a rate like \"100/min\" (per s, min, h or d) or \"off\"";
constexpr const char* kEndpoint = "an address and a port like \"127.0.0.1:25\" or \"[::1]:25\"";
constexpr const char* kNetwork = "networks like \"192.0.2.0/24\" or \"2001:db8::/32\"";

/// Reads lists element by element; the first wrong element ends it.
template <class T, class Parse>
Complaint assign_list(std::vector<T>& into, const toml::node& node, const char* what, Parse parse) {
  constexpr std::size_t kElementsMax = 10'000;
  const auto* list = node.as_array();
  if (list == nullptr) return takes(std::string("a list of ") + what, node);
  if (list->size() > kElementsMax) return {"has more than 10000 elements", {}, &node};
  std::vector<T> values;
  for (const toml::node& element : *list) {
    const auto* text = element.as_string();
    auto value = text == nullptr ? std::nullopt : parse(text->get());
    if (!value) return takes(what, element);
    values.push_back(std::move(*value));
  }
  into = std::move(values);
  return {};
}

struct Assign {
  const Key& key;
  const toml::node& node;

  Complaint operator()(bool* v) const {
    const auto* truth = node.as_boolean();
    if (truth == nullptr) return takes("true or false", node);
    *v = truth->get();
    return {};
  }
  Complaint operator()(std::uint16_t* v) const { return whole_number(v); }
  Complaint operator()(std::uint32_t* v) const { return whole_number(v); }
  Complaint operator()(double* v) const {
    const auto number = node.is_number() ? node.value<double>() : std::nullopt;
    if (!number || !std::isfinite(*number)) return takes("a number", node);
    if (Complaint c = in_range(*number, [](double d) { return number_text(d); });
        !c.message.empty())
      return c;
    *v = *number;
    return {};
  }
  Complaint operator()(Duration* v) const {
    const auto* text = node.as_string();
    const auto duration = text == nullptr ? std::nullopt : parse_duration(text->get());
    if (!duration) return takes(kDuration, node);
    const auto show = [](double us) {
      return "\"" + format_duration_exact(Duration(static_cast<std::int64_t>(us))) + "\"";
    };
    if (Complaint c = in_range(static_cast<double>(duration->count()), show); !c.message.empty())
      return c;
    *v = *duration;
    return {};
  }
  Complaint operator()(std::optional<Duration>* v) const {
    const auto* text = node.as_string();
    if (text != nullptr && text->get() == "off") {
      v->reset();
      return {};
    }
    const auto duration = text == nullptr ? std::nullopt : parse_duration(text->get());
    if (!duration) return takes(std::string(kDuration) + ", or \"off\"", node);
    *v = *duration;
    return {};
  }
  Complaint operator()(Size* v) const {
    const auto* text = node.as_string();
    const auto size = text == nullptr ? std::nullopt : parse_size(text->get());
    if (!size) return takes(kSize, node);
    const auto show = [](double octets) {
      return "\"" + format_size_exact(static_cast<Size>(octets)) + "\"";
    };
    if (Complaint c = in_range(static_cast<double>(*size), show); !c.message.empty()) return c;
    *v = *size;
    return {};
  }
  Complaint operator()(Rate* v) const {
    const auto* text = node.as_string();
    const auto rate = text == nullptr ? std::nullopt : parse_rate(text->get());
    if (!rate) return takes(kRate, node);
    *v = *rate;
    return {};
  }
  Complaint operator()(std::string* v) const {
    const auto* text = node.as_string();
    if (text == nullptr) return takes("a text", node);
    const std::string& value = text->get();
    if (has_control(value)) return {"has a control character in it", {}, &node};
    if (value.empty() && key.is_required) return {"is empty", {}, &node};
    *v = key.text == TextKind::HostName ? base::lowered(value) : value;
    return {};
  }
  Complaint operator()(std::vector<std::string>* v) const {
    const bool is_domains = key.text == TextKind::Domains;
    const auto parse = [&](const std::string& text) -> std::optional<std::string> {
      if (text.empty()) return std::nullopt;
      return is_domains ? base::lowered(text) : text;
    };
    const char* what = is_domains ? "domains like \"example.org\" or \"*.example.org\""
                       : key.text == TextKind::File ? "file names"
                                                    : "texts";
    Complaint c = assign_list(*v, node, what, parse);
    if (c.message.empty() && v->empty() && key.is_required) return {"is empty", {}, &node};
    return c;
  }
  Complaint operator()(net::Endpoint* v) const {
    const auto* text = node.as_string();
    const auto endpoint = text == nullptr ? std::nullopt : net::parse_endpoint(text->get());
    if (!endpoint) return takes(kEndpoint, node);
    *v = *endpoint;
    return {};
  }
  Complaint operator()(std::optional<net::Endpoint>* v) const {
    net::Endpoint endpoint;
    Complaint complaint = (*this)(&endpoint);
    if (complaint.message.empty()) *v = endpoint;
    return complaint;
  }
  Complaint operator()(std::vector<net::Endpoint>* v) const {
    return assign_list(*v, node, "addresses with ports like \"127.0.0.1:53\"",
                       [](const std::string& text) { return net::parse_endpoint(text); });
  }
  Complaint operator()(std::vector<net::AddressBlock>* v) const {
    return assign_list(*v, node, kNetwork,
                       [](const std::string& text) { return net::parse_address_block(text); });
  }
  Complaint operator()(NextHop* v) const {
    static const std::vector<std::string> kWords = {"mx", "hold", "discard"};
    constexpr const char* kWhat = "\"host:port\", \"[v6]:port\", a list of them";
    NextHop hop;
    if (const auto index = word_index(kWords, node); index && key.name == "next_hop") {
      hop.kind = *index == 0   ? NextHop::Kind::Mx
                 : *index == 1 ? NextHop::Kind::Hold
                               : NextHop::Kind::Discard;
      *v = hop;
      return {};
    }
    hop.kind = NextHop::Kind::Hosts;
    const auto add = [&](const toml::node& element) {
      const auto* text = element.as_string();
      const auto host = text == nullptr ? std::nullopt : parse_host_port(text->get());
      if (!host) return false;
      hop.hosts.push_back(*host);
      return true;
    };
    if (const auto* list = node.as_array()) {
      if (list->empty()) return {"is empty", {}, &node};
      if (list->size() > NextHop::kHostsMax) return {"has more than 32 hosts", {}, &node};
      for (const toml::node& element : *list) {
        const bool is_word = word_index(kWords, element).has_value();
        if (is_word) return {"takes " + shown(element) + " alone, not in a list", {}, &element};
        if (!add(element)) return takes("hosts like \"host:port\" or \"[v6]:port\"", element);
      }
    } else if (!add(node)) {
      Complaint complaint = takes(std::string(kWhat) + ", \"mx\", \"hold\" or \"discard\"", node);
      if (const auto* text = node.as_string()) {
        complaint.nearest = find_nearest(text->get(), kWords);
        // A lone IPv6 address is the usual reason.
        if (text->get().find("::") != std::string::npos) {
          complaint.nearest = "[" + text->get() + "]:25";
        }
      }
      return complaint;
    }
    *v = std::move(hop);
    return {};
  }
  Complaint operator()(std::map<std::string, net::Endpoint>* v) const {
    const auto* table = node.as_table();
    if (table == nullptr) return takes("a table like " + key.example, node);
    const bool is_zones = key.name == "stub";
    std::map<std::string, net::Endpoint> values;
    for (const auto& [name, value] : *table) {
      const auto* text = value.as_string();
      const auto endpoint = text == nullptr ? std::nullopt : net::parse_endpoint(text->get());
      if (!endpoint) return takes(kEndpoint, value);
      std::string from = base::lowered(name.str());
      if (is_zones) {
        if (!from.ends_with('.')) from += '.';
        if (from != "." && !is_host_name(std::string_view(from).substr(0, from.size() - 1))) {
          return {
              "names \"" + base::printable(name.str(), 60) + "\", which is no zone", {}, &value};
        }
      } else {
        const auto host = parse_host_port(from);
        if (!host || host->port == 0) {
          return {"names \"" + base::printable(name.str(), 60) + "\", which is no \"host:port\"",
                  {},
                  &value};
        }
        from = format_host_port(*host);
      }
      values[from] = *endpoint;
    }
    *v = std::move(values);
    return {};
  }
  Complaint operator()(TextTable* v) const {
    constexpr std::size_t kEntriesMax = 10'000;
    const auto* table = node.as_table();
    if (table == nullptr) return takes("a table like " + key.example, node);
    if (table->size() > kEntriesMax) return {"has more than 10000 entries", {}, &node};
    const bool takes_lists = key.text == TextKind::Lists;
    TextTable values;
    for (const auto& [name, value] : *table) {
      std::vector<std::string> texts;
      const auto add = [&](const toml::node& one) {
        const auto* text = one.as_string();
        if (text == nullptr || has_control(text->get())) return false;
        texts.push_back(text->get());
        return true;
      };
      const auto* list = takes_lists ? value.as_array() : nullptr;
      bool is_fine = !has_control(name.str());
      if (list != nullptr) {
        is_fine = is_fine && !list->empty();
        for (const toml::node& one : *list) is_fine = is_fine && add(one);
      } else {
        is_fine = is_fine && add(value);
      }
      if (!is_fine) {
        return takes("texts for \"" + base::printable(name.str(), 60) + "\"" +
                         (takes_lists ? ", or a list of them" : ""),
                     value);
      }
      values[std::string(name.str())] = std::move(texts);
    }
    *v = std::move(values);
    return {};
  }
  Complaint operator()(std::optional<net::Address>* v) const {
    const auto* text = node.as_string();
    boost::system::error_code error;
    if (text != nullptr) {
      const net::Address address = boost::asio::ip::make_address(text->get(), error);
      if (!error) {
        *v = address;
        return {};
      }
    }
    return takes("an address like \"192.0.2.1\" or \"2001:db8::1\"", node);
  }
  Complaint operator()(Weights* v) const {
    constexpr std::size_t kEntriesMax = 1'000;
    constexpr std::int64_t kWeightMax = 1'000'000;
    Weights values;
    if (const auto* list = node.as_array()) {
      if (list->size() > kEntriesMax) return {"has more than 1000 entries", {}, &node};
      for (const toml::node& element : *list) {
        const auto* text = element.as_string();
        if (text == nullptr) return takes("names", element);
        values[text->get()] = 1;
      }
    } else if (const auto* table = node.as_table()) {
      if (table->size() > kEntriesMax) return {"has more than 1000 entries", {}, &node};
      for (const auto& [name, value] : *table) {
        const auto* weight = value.as_integer();
        if (weight == nullptr || weight->get() < 1 || weight->get() > kWeightMax)
          return takes("weights from 1 to 1000000", value);
        values[std::string(name.str())] = static_cast<std::uint32_t>(weight->get());
      }
    } else {
      return takes("a list of names, or a table of names to weights like " + key.example, node);
    }
    if (values.empty() && key.is_required) return {"is empty", {}, &node};
    *v = std::move(values);
    return {};
  }
  Complaint operator()(const Choice& choice) const {
    const auto index = word_index(choice.words, node);
    if (!index) return takes_word(choice.words, node);
    choice.set(*index);
    return {};
  }
  Complaint operator()(const Choices& choices) const {
    const auto* list = node.as_array();
    if (list == nullptr) return takes("a list of words", node);
    std::vector<std::size_t> values;
    for (const toml::node& element : *list) {
      const auto index = word_index(choices.words, element);
      if (!index) return takes_word(choices.words, element);
      values.push_back(*index);
    }
    choices.set(std::move(values));
    return {};
  }
  Complaint operator()(RetryTable) const { return {}; }

 private:
  static std::string number_text(double number) {
    Value value = &number;
    return format_toml(value);
  }

  template <class Show>
  Complaint in_range(double number, Show show) const {
    if (key.min == 0 && key.max == 0) return {};
    if (number < key.min) return {"is below " + show(key.min) + ", its least value", {}, &node};
    if (key.max != 0 && number > key.max) {
      return {"is above " + show(key.max) + ", its greatest value", {}, &node};
    }
    return {};
  }

  template <class T>
  Complaint whole_number(T* v) const {
    const auto* number = node.as_integer();
    if (number == nullptr) return takes("a whole number", node);
    const std::int64_t n = number->get();
    if (n < 0 || static_cast<std::uint64_t>(n) > std::numeric_limits<T>::max()) {
      return takes("a whole number from 0 to " + std::to_string(std::numeric_limits<T>::max()),
                   node);
    }
    const auto show = [](double d) { return std::to_string(static_cast<std::uint64_t>(d)); };
    if (Complaint c = in_range(static_cast<double>(n), show); !c.message.empty()) return c;
    *v = static_cast<T>(n);
    return {};
  }
};

}  // namespace

Complaint assign(const Key& key, const toml::node& node) {
  return std::visit(Assign{key, node}, key.value);
}

}  // namespace ekiden::config
