# Everything here is a Debian 12 package; script/bootstrap installs them.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(prometheus-cpp REQUIRED)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(libsodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(libidn2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(libidn REQUIRED IMPORTED_TARGET libidn)
pkg_check_modules(libpsl REQUIRED IMPORTED_TARGET libpsl)
pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(gmime REQUIRED IMPORTED_TARGET gmime-3.0)
# It asks for a definition that means nothing on 64 bits, and would keep whoever includes it from
# precompiled headers.
get_target_property(gmime_options PkgConfig::gmime INTERFACE_COMPILE_OPTIONS)
list(REMOVE_ITEM gmime_options -D_LARGEFILE64_SOURCE)
set_target_properties(PkgConfig::gmime PROPERTIES INTERFACE_COMPILE_OPTIONS "${gmime_options}")
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)

# libunbound's pkg-config file asks for private packages that only static linking needs.
find_path(UNBOUND_INCLUDE unbound.h REQUIRED)
find_library(UNBOUND_LIBRARY unbound REQUIRED)
add_library(ekiden_unbound INTERFACE)
target_include_directories(ekiden_unbound SYSTEM INTERFACE ${UNBOUND_INCLUDE})
target_link_libraries(ekiden_unbound INTERFACE ${UNBOUND_LIBRARY})

# Boost.Asio, Beast, JSON and the containers are used from their headers; nothing of Boost is linked.
find_path(BOOST_INCLUDE boost/asio.hpp REQUIRED)
add_library(ekiden_boost INTERFACE)
target_include_directories(ekiden_boost SYSTEM INTERFACE ${BOOST_INCLUDE})
target_compile_definitions(ekiden_boost INTERFACE BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_REGEX)
target_link_libraries(ekiden_boost INTERFACE Threads::Threads)

if(EKIDEN_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
