# cmake -DFOLDER=config/providers -DOUTPUT=shipped_files.cpp -P EmbedProviders.cmake
#
# Writes the folder's *.toml as shaping::shipped_files(), sorted by name.
file(GLOB files LIST_DIRECTORIES false "${FOLDER}/*.toml")
list(SORT files)
file(WRITE "${OUTPUT}.new" "// Made by cmake/EmbedProviders.cmake.
#include \"ekiden/shaping/rule_files.hpp\"

namespace ekiden::shaping {

const std::vector<RuleFile>& shipped_files() {
  static const std::vector<RuleFile> kFiles = {
")
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME)
  file(READ "${file}" text)
  # A raw string of one piece; the delimiter occurs in no TOML.
  file(APPEND "${OUTPUT}.new" "      {\"${name}\", R\"_toml_(")
  file(APPEND "${OUTPUT}.new" "${text}")
  file(APPEND "${OUTPUT}.new" ")_toml_\"},\n")
endforeach()
file(APPEND "${OUTPUT}.new" "  };
  return kFiles;
}

}  // namespace ekiden::shaping
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
