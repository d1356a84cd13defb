// Runs a fuzzer over saved inputs: FUZZER FOLDER... [--if-there FOLDER...]. The order is that of
// the names, so a failure repeats. An empty folder is a failure, because then nothing was tested.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string octets_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Memory of exactly the input's size: one octet further the sanitizer objects.
void run(const std::string& octets) {
  const std::vector<std::uint8_t> input(octets.begin(), octets.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int count, char** arguments) {
  LLVMFuzzerInitialize(&count, &arguments);
  bool is_optional = false;
  std::size_t inputs = 0;
  run({});
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--if-there") == 0) {
      is_optional = true;
      continue;
    }
    const std::vector<fs::path> files = files_in(arguments[i]);
    if (files.empty()) {
      std::printf("%s: nothing there%s\n", arguments[i], is_optional ? ", skipped" : "");
      if (!is_optional) return 1;
    }
    for (const fs::path& file : files) {
      // Said before, so that an abort leaves the name of its input as the last line.
      std::printf("%s\n", file.c_str());
      std::fflush(stdout);
      run(octets_of(file));
    }
    inputs += files.size();
  }
  std::printf("%zu inputs\n", inputs);
  return inputs == 0 ? 1 : 0;
}
