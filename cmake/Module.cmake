include(Precompiled)

# ekiden_module(NAME [DEPENDS module...] [LINKS target...] [TEST_LINKS target...])
#
# One library for each folder of ekiden/: every *.cpp in it, and one test program
# `NAME_test` made of every *_test.cpp. DEPENDS names ekiden's own modules, LINKS outside libraries.
function(ekiden_module name)
  cmake_parse_arguments(M "" "" "DEPENDS;LINKS;TEST_LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")

  add_library(ekiden_${name} STATIC ${sources})
  target_include_directories(ekiden_${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  if(name STREQUAL "cli")
    ekiden_compile_options(ekiden_${name} commands)
  else()
    ekiden_compile_options(ekiden_${name})
  endif()
  # Modules whose lines and branches are counted: the preset `coverage`.
  if(name IN_LIST EKIDEN_COVERED)
    # Before gcc inlines anything: a decision is one decision, however often it is copied later.
    target_compile_options(ekiden_${name} PRIVATE -O1 --coverage -fprofile-abs-path
      -fno-early-inlining)
    target_link_options(ekiden_${name} INTERFACE --coverage)
  endif()
  list(TRANSFORM M_DEPENDS PREPEND ekiden_)
  target_link_libraries(ekiden_${name} PUBLIC ${M_DEPENDS} ${M_LINKS})

  # Those that run under sanitizers. The command line's costs minutes to build, for options.
  set(is_sanitized ON)
  if(name STREQUAL "cli")
    set(is_sanitized OFF)
  endif()
  if(EKIDEN_TESTS AND tests AND (EKIDEN_SANITIZED OR NOT is_sanitized))
    add_executable(${name}_test ${tests})
    # A test's own code costs more to optimize than to run.
    ekiden_compile_options(${name}_test tests)
    target_compile_options(${name}_test PRIVATE -O0)
    if(is_sanitized)
      add_dependencies(sanitized ${name}_test)
    endif()
    target_link_libraries(${name}_test PRIVATE ekiden_${name} ${M_TEST_LINKS} GTest::gtest_main)
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
      PROPERTIES TIMEOUT 120 LABELS unit)
  endif()
endfunction()

# ekiden_compile_options(TARGET [HEADERS]): HEADERS names a list of Precompiled.cmake, other than
# what every library includes.
function(ekiden_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra
    -Woverloaded-virtual -Wno-missing-field-initializers -pthread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 pairs a coroutine frame's operator new with the wrong operator delete when it inlines
    # only one of them, and warns of a mismatch that is not there.
    target_compile_options(${target} PRIVATE -fcoroutines -Wno-mismatched-new-delete)
  endif()
  ekiden_precompiled_headers(${target} ${ARGN})
endfunction()
