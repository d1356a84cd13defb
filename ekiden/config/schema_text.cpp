// Keys and values as text: what a key takes, for people, and its value as TOML.
#include "ekiden/config/schema.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::config {

namespace {

std::string list_text(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) {
    if (text.size() > 1) text += ", ";
    text += item;
  }
  return text + "]";
}

std::string number_text(double number) {
  std::string text = std::to_string(number);
  while (text.ends_with('0') && !text.ends_with(".0")) text.pop_back();
  return text;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string type_text(const Key& key) {
  struct Words {
    const Key& key;
    static std::string one_of(const std::vector<std::string>& words) {
      std::string text;
      for (const std::string& word : words) text += (text.empty() ? "`" : ", `") + word + "`";
      return text;
    }
    std::string operator()(bool*) const { return "true or false"; }
    std::string operator()(std::uint16_t*) const { return "whole number"; }
    std::string operator()(std::uint32_t*) const { return "whole number"; }
    std::string operator()(double*) const { return "number"; }
    std::string operator()(Duration*) const { return "duration"; }
    std::string operator()(std::optional<Duration>*) const { return "duration or `off`"; }
    std::string operator()(Size*) const { return "size"; }
    std::string operator()(Rate*) const { return "rate or `off`"; }
    std::string operator()(std::string*) const {
      switch (key.text) {
        case TextKind::HostName:
          return "host name";
        case TextKind::File:
          return "file";
        case TextKind::Directory:
          return "directory";
        case TextKind::Url:
          return "URL";
        default:
          return "text";
      }
    }
    std::string operator()(std::vector<std::string>*) const {
      return key.text == TextKind::File      ? "list of files"
             : key.text == TextKind::Domains ? "list of domain patterns"
                                             : "list of texts";
    }
    std::string operator()(net::Endpoint*) const { return "address and port"; }
    std::string operator()(std::vector<net::Endpoint>*) const {
      return "list of addresses with ports";
    }
    std::string operator()(std::vector<net::AddressBlock>*) const { return "list of networks"; }
    std::string operator()(NextHop*) const { return "next hop"; }
    std::string operator()(std::map<std::string, net::Endpoint>*) const {
      return "table of names to addresses with ports";
    }
    std::string operator()(TextTable*) const {
      return key.text == TextKind::Lists ? "table of texts to a text or a list of them"
                                         : "table of texts to texts";
    }
    std::string operator()(std::optional<net::Address>*) const { return "address"; }
    std::string operator()(std::optional<net::Endpoint>*) const { return "address and port"; }
    std::string operator()(Weights*) const { return "list of names, or table of names to weights"; }
    std::string operator()(const Choice& c) const { return "one of " + one_of(c.words); }
    std::string operator()(const Choices& c) const { return "list of " + one_of(c.words); }
    std::string operator()(RetryTable) const { return "table"; }
  };
  return std::visit(Words{key}, key.value);
}

std::string format_toml(const Value& value) {
  struct Form {
    std::string operator()(bool* v) const { return *v ? "true" : "false"; }
    std::string operator()(std::uint16_t* v) const { return std::to_string(*v); }
    std::string operator()(std::uint32_t* v) const { return std::to_string(*v); }
    std::string operator()(double* v) const { return number_text(*v); }
    std::string operator()(Duration* v) const { return quoted(format_duration_exact(*v)); }
    std::string operator()(std::optional<Duration>* v) const {
      return quoted(*v ? format_duration_exact(**v) : "off");
    }
    std::string operator()(Size* v) const { return quoted(format_size_exact(*v)); }
    std::string operator()(Rate* v) const { return quoted(format_rate(*v)); }
    std::string operator()(std::string* v) const { return quoted(*v); }
    std::string operator()(std::vector<std::string>* v) const {
      std::vector<std::string> items;
      for (const std::string& item : *v) items.push_back(quoted(item));
      return list_text(items);
    }
    std::string operator()(net::Endpoint* v) const { return quoted(net::format_endpoint(*v)); }
    std::string operator()(std::vector<net::Endpoint>* v) const {
      std::vector<std::string> items;
      for (const auto& item : *v) items.push_back(quoted(net::format_endpoint(item)));
      return list_text(items);
    }
    std::string operator()(std::vector<net::AddressBlock>* v) const {
      std::vector<std::string> items;
      for (const auto& item : *v) items.push_back(quoted(item.text()));
      return list_text(items);
    }
    std::string operator()(NextHop* v) const {
      switch (v->kind) {
        case NextHop::Kind::Mx:
          return quoted("mx");
        case NextHop::Kind::Hold:
          return quoted("hold");
        case NextHop::Kind::Discard:
          return quoted("discard");
        case NextHop::Kind::Hosts:
          break;
      }
      std::vector<std::string> items;
      for (const auto& host : v->hosts) items.push_back(quoted(format_host_port(host)));
      return items.size() == 1 ? items.front() : list_text(items);
    }
    std::string operator()(std::map<std::string, net::Endpoint>* v) const {
      if (v->empty()) return "{ }";
      std::string text = "{ ";
      for (const auto& [name, endpoint] : *v) {
        if (text.size() > 2) text += ", ";
        text += quoted(name) + " = " + quoted(net::format_endpoint(endpoint));
      }
      return text + " }";
    }
    std::string operator()(TextTable* v) const {
      if (v->empty()) return "{ }";
      std::string text = "{ ";
      for (const auto& [name, values] : *v) {
        if (text.size() > 2) text += ", ";
        std::vector<std::string> items;
        for (const std::string& value : values) items.push_back(quoted(value));
        text += quoted(name) + " = " + (items.size() == 1 ? items.front() : list_text(items));
      }
      return text + " }";
    }
    std::string operator()(std::optional<net::Address>* v) const {
      return quoted(*v ? (*v)->to_string() : std::string());
    }
    std::string operator()(std::optional<net::Endpoint>* v) const {
      return quoted(*v ? net::format_endpoint(**v) : std::string());
    }
    std::string operator()(Weights* v) const {
      if (v->empty()) return "{ }";
      std::string text = "{ ";
      for (const auto& [name, weight] : *v) {
        if (text.size() > 2) text += ", ";
        text += quoted(name) + " = " + std::to_string(weight);
      }
      return text + " }";
    }
    std::string operator()(const Choice& c) const { return quoted(c.words[c.get()]); }
    std::string operator()(const Choices& c) const {
      std::vector<std::string> items;
      for (const std::size_t i : c.get()) items.push_back(quoted(c.words[i]));
      return list_text(items);
    }
    std::string operator()(RetryTable v) const {
      std::string text = "{ ";
      for (const Key& key : retry_keys(*v.value)) {
        if (text.size() > 2) text += ", ";
        text += key.name + " = " + format_toml(key.value);
      }
      return text + " }";
    }
  };
  return std::visit(Form{}, value);
}

}  // namespace ekiden::config
