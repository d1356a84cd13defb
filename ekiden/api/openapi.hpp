#pragma once

#include <string_view>

namespace ekiden::api {

/// The OpenAPI 3.1 description of what is served below /v1 (openapi.json).
std::string_view openapi_document();

}  // namespace ekiden::api
