// The one place where the code of Boost.JSON is compiled; everybody else includes its headers.
#include <boost/json/src.hpp>
