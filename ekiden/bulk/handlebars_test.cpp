// What a template becomes, and what is said of one that is wrong.
#include "ekiden/bulk/handlebars.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace ekiden::bulk {
namespace {

std::string render(std::string_view source, std::string_view data,
                   Handlebars::Escape escape = Handlebars::Escape::Html,
                   Handlebars::Missing missing = Handlebars::Missing::Empty) {
  TemplateError error;
  const auto made = Handlebars::parse(source, error);
  if (!made) return "no template, " + error.sentence();
  const auto text = made->render(
      boost::json::parse(boost::json::string_view(data.data(), data.size())).as_object(), escape,
      missing, error);
  return text ? *text : "no text, " + error.sentence();
}

TEST(Handlebars, WritesValuesEscapedWhereHtmlNeedsIt) {
  constexpr auto kData =
      R"({"a": "<b>&\"'", "n": 12, "f": 1.5, "t": true, "z": null, "o": {"x": [7, 8]}})";
  EXPECT_EQ(render("{{a}}|{{{a}}}|{{&a}}", kData), "&lt;b&gt;&amp;&quot;&#x27;|<b>&\"'|<b>&\"'");
  EXPECT_EQ(render("{{a}}", kData, Handlebars::Escape::None), "<b>&\"'");
  EXPECT_EQ(render("{{ n }} {{f}} {{t}} {{z}}.", kData), "12 1.5 true .");
  EXPECT_EQ(render("{{o.x.[1]}} {{o.x.0}} {{this.n}}", kData), "8 7 12");
  EXPECT_EQ(render("{{!-- {{x}} --}}{{! c }}a {{~n~}} b", kData), "a12b");
  EXPECT_EQ(render("日本語{{name}}様", R"({"name": "山田"})"), "日本語山田様");
}

TEST(Handlebars, FollowsBlocks) {
  EXPECT_EQ(render("{{#if a}}1{{else if b}}2{{else}}3{{/if}}", R"({"b": 1})"), "2");
  EXPECT_EQ(render("{{#if a}}1{{else if b}}2{{else}}3{{/if}}", "{}"), "3");
  EXPECT_EQ(render("{{#unless a}}no{{else}}yes{{/unless}}", R"({"a": []})"), "no");
  EXPECT_EQ(render("{{#each l}}{{@index}}{{this}}{{#if @last}}.{{else}},{{/if}}{{/each}}",
                   R"({"l": ["a", "b"]})"),
            "0a,1b.");
  EXPECT_EQ(render("{{#each o}}{{@key}}={{this}} {{/each}}", R"({"o": {"a": 1, "b": 2}})"),
            "a=1 b=2 ");
  EXPECT_EQ(render("{{#each l}}x{{else}}none{{/each}}", R"({"l": []})"), "none");
  EXPECT_EQ(render("{{#each l}}{{n}}{{../c}}{{@root.c}} {{/each}}",
                   R"({"c": "!", "l": [{"n": 1}, {"n": 2}]})"),
            "1!! 2!! ");
  EXPECT_EQ(render("{{#with p}}{{n}}{{/with}}{{#p}}{{n}}{{/p}}{{^q}}-{{/q}}", R"({"p": {"n": 5}})"),
            "55-");
}

TEST(Handlebars, KnowsTheHelpersOfSendGrid) {
  EXPECT_EQ(render("{{insert name \"default=you\"}}", "{}"), "you");
  EXPECT_EQ(render("{{insert name 'you'}}", R"({"name": "me"})"), "me");
  EXPECT_EQ(render("{{#equals a b}}y{{else}}n{{/equals}}", R"({"a": "1", "b": 1})"), "y");
  EXPECT_EQ(render("{{#notEquals a 'x'}}y{{/notEquals}}", R"({"a": "y"})"), "y");
  EXPECT_EQ(
      render("{{#greaterThan n 5}}y{{/greaterThan}}{{#lessThan n 5}}z{{/lessThan}}", R"({"n": 7})"),
      "y");
  EXPECT_EQ(
      render("{{#if (and a (or b c))}}y{{/if}}{{length l}}", R"({"a": 1, "c": 1, "l": [1, 2]})"),
      "y2");
  // Lists are never equal, and looking at one costs nothing.
  EXPECT_EQ(render("{{#equals l l}}y{{else}}n{{/equals}}", R"({"l": [1]})"), "n");
}

TEST(Handlebars, NamesLineAndColumn) {
  EXPECT_EQ(render("a\n日本{{#if x}}", "{}"),
            "no template, line 2, column 3: {{#if}} is never closed by {{/if}}");
  EXPECT_EQ(render("a {{b", "{}"), "no template, line 1, column 3: {{ is never closed by }}");
  EXPECT_EQ(render("{{#if a}}{{/each}}", "{}"),
            "no template, line 1, column 12: {{/each}} stands where {{/if}} is expected");
  EXPECT_EQ(render("{{/if}}", "{}"),
            "no template, line 1, column 1: there is nothing that {{/if}} ends");
  EXPECT_EQ(render("{{frob a b}}", "{}"),
            "no template, line 1, column 3: there is no helper named \"frob\"");
  for (const char* wrong : {"{{}}", "{{> p}}", "{{a..b}}", "{{#if}}x{{/if}}", "{{{a}}", "{{!-- a",
                            "{{insert}}", "{{equals a}}", "{{a 'b}}", "{{@x}}",
                            "{{#if a}}{{else}}"
                            "{{else}}{{/if}}",
                            "{{(a}}", "{{1x}}", "\xff"})
    EXPECT_TRUE(render(wrong, "{}").starts_with("no template, line 1, column ")) << wrong;
}

TEST(Handlebars, RefusesWhatIsMissingWhenAsked) {
  EXPECT_EQ(render("x{{a}}", "{}", Handlebars::Escape::Html, Handlebars::Missing::Error),
            "no text, line 1, column 4: the data has no \"a\"");
  EXPECT_EQ(render("{{#if a}}{{/if}}{{insert a 'b'}}", "{}", Handlebars::Escape::Html,
                   Handlebars::Missing::Error),
            "b");
}

TEST(Handlebars, EndsWithinItsLimits) {
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "{{#if a}}";
  EXPECT_NE(render(deep, "{}").find("32 deep"), std::string::npos);
  EXPECT_NE(render("{{" + std::string(200, '(') + "}}", "{}").find("no template"),
            std::string::npos);
  EXPECT_NE(render(std::string(Handlebars::kSourceOctetsMax + 1, 'x'), "{}").find("1 MiB"),
            std::string::npos);
  std::string list = "[0";
  for (int i = 0; i < 999; ++i) list += ",0";
  const std::string data = "{\"l\": " + list + "]}";
  EXPECT_NE(render("{{#each l}}{{#each ../l}}{{this}}{{/each}}{{/each}}", data).find("too much"),
            std::string::npos);
  EXPECT_NE(render("{{#each l}}" + std::string(100'000, 'x') + "{{/each}}", data).find("4 MiB"),
            std::string::npos);
}

}  // namespace
}  // namespace ekiden::bulk
