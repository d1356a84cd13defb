# Headers that are parsed once for many files, where EKIDEN_PCH is on. Off, as it is by default, each
# file shows that it includes what it uses, and ccache works on it.

set(EKIDEN_STANDARD_HEADERS <algorithm> <array> <atomic> <chrono> <coroutine> <cstdint> <deque>
  <functional> <map> <memory> <mutex> <optional> <set> <span> <string> <string_view> <tuple>
  <unordered_map> <utility> <variant> <vector> <boost/system/result.hpp>)
set(EKIDEN_HEADERS_OF_libraries)
set(EKIDEN_HEADERS_OF_commands <CLI/CLI.hpp> <boost/json.hpp>)
set(EKIDEN_HEADERS_OF_tests <gtest/gtest.h>)

# ekiden_precompiled_headers(TARGET [libraries|commands|tests])
function(ekiden_precompiled_headers target)
  if(NOT EKIDEN_PCH)
    return()
  endif()
  set(kind libraries)
  if(ARGC GREATER 1)
    set(kind ${ARGV1})
  endif()
  set(holder ekiden_headers_${kind})
  if(NOT TARGET ${holder})
    file(WRITE "${CMAKE_BINARY_DIR}/${holder}.cpp" "")
    add_library(${holder} OBJECT "${CMAKE_BINARY_DIR}/${holder}.cpp")
    # As in ekiden_compile_options: a precompiled header serves only those who compile alike.
    target_compile_options(${holder} PRIVATE -Wall -Wextra -fcoroutines -pthread)
    if(kind STREQUAL "tests")
      target_compile_options(${holder} PRIVATE -O0)
      target_link_libraries(${holder} PRIVATE GTest::gtest)
    endif()
    target_precompile_headers(${holder} PRIVATE ${EKIDEN_STANDARD_HEADERS}
      ${EKIDEN_HEADERS_OF_${kind}})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${holder})
endfunction()
