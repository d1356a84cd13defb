#include "ekiden/message/structure.hpp"

#include <gtest/gtest.h>

#include <string>

#include "ekiden/message/error.hpp"

namespace ekiden::message {
namespace {

Structure read(std::string_view message) {
  const Result<Structure> tree = read_structure(message);
  EXPECT_TRUE(tree);
  return tree ? *tree : Structure();
}

TEST(Structure, APlainMessageIsALeaf) {
  const Structure tree = read("Subject: s\r\n\r\nhello\r\n");
  EXPECT_TRUE(tree.type.is("text", "plain"));
  EXPECT_EQ(tree.header, "Subject: s\r\n\r\n");
  EXPECT_EQ(tree.body, "hello\r\n");
  EXPECT_TRUE(tree.parts.empty());
}

TEST(Structure, AMultipartHasItsPartsInOrder) {
  constexpr std::string_view kMessage =
      "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\r\none\r\n"
      "--a b  \r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n"
      "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n"
      "--c--\r\n--a b--\r\nepilogue\r\n";
  const Structure tree = read(kMessage);
  ASSERT_EQ(tree.parts.size(), 2U);
  EXPECT_EQ(tree.parts[0].body, "one");
  ASSERT_EQ(tree.parts[1].parts.size(), 1U);
  const Structure& html = tree.parts[1].parts[0];
  EXPECT_TRUE(html.type.is("text", "html"));
  EXPECT_EQ(html.encoding, TransferEncoding::Base64);
  EXPECT_EQ(html.body, "PGI+");
}

TEST(Structure, AMessageInAMessageIsOpened) {
  const Structure tree = read(
      "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: image/png\r\n\r\nx");
  ASSERT_EQ(tree.parts.size(), 1U);
  EXPECT_TRUE(tree.parts[0].type.is("image", "png"));
  // RFC 2046 §5.1.5.
  const Structure digest = read(
      "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--");
  ASSERT_EQ(digest.parts.size(), 1U);
  ASSERT_EQ(digest.parts[0].parts.size(), 1U);
  EXPECT_EQ(digest.parts[0].parts[0].body, "x");
}

TEST(Structure, AnEncodedPartIsNotOpened) {
  const Structure tree = read(
      "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
      "--b\r\n\r\nx\r\n--b--\r\n");
  EXPECT_TRUE(tree.parts.empty());
}

TEST(Structure, WithoutALastBoundaryThePartReachesToTheEnd) {
  const Structure tree = read("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n");
  ASSERT_EQ(tree.parts.size(), 1U);
  EXPECT_EQ(tree.parts[0].body, "x\r\n");
}

TEST(Structure, ABoundaryThatBeginsLikeAnotherIsNotIt) {
  const Structure tree = read(
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--bb\r\n--b-\r\nx\r\n--b--");
  ASSERT_EQ(tree.parts.size(), 1U);
  EXPECT_EQ(tree.parts[0].body, "--bb\r\n--b-\r\nx");
}

TEST(Structure, DepthAndPartsAreBounded) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "Content-Type: message/rfc822\r\n\r\n";
  Structure tree = read(deep);
  unsigned depth = 0;
  const Structure* part = &tree;
  for (; !part->parts.empty(); part = &part->parts.front()) ++depth;
  EXPECT_EQ(depth, kStructureDepthMax);
  EXPECT_TRUE(part->is_cut);

  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 5000; ++i) many += "--b\r\n\r\nx\r\n";
  tree = read(many);
  EXPECT_EQ(tree.parts.size(), kStructurePartsMax);
  EXPECT_TRUE(tree.is_cut);
}

TEST(Structure, AHeaderWithoutBoundsIsAnError) {
  std::string header;
  for (std::size_t i = 0; i < 3000; ++i) header += "X: y\r\n";
  EXPECT_EQ(read_structure(header).error(), Errc::TooManyFields);
}

TEST(FindParameter, ReadsWhatClientsWrite) {
  EXPECT_EQ(find_parameter("attachment; filename=\"a \\\"b\\\".txt\"; size=1", "FileName"),
            "a \"b\".txt");
  EXPECT_EQ(find_parameter("text/plain (x); charset = utf-8 (y)", "charset"), "utf-8");
  EXPECT_EQ(find_parameter("text/plain; x; charset", "charset"), "");
  EXPECT_EQ(find_parameter("text/plain", "charset"), "");
}

}  // namespace
}  // namespace ekiden::message
