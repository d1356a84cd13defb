#pragma once

#include <optional>
#include <string>

#include "ekiden/api/idempotency.hpp"
#include "ekiden/api/problem.hpp"

namespace ekiden::api {

/// Whether a key may stand in `Idempotency-Key`: 1 to 255 printable characters of ASCII.
bool is_idempotency_key(std::string_view key);
Problem bad_idempotency_key();

/// Equal for the same method, path, query and body.
std::string fingerprint_of(const HttpRequest& request);

/// What a claim that has not begun is answered; nothing for one that has, or is a replay.
std::optional<Problem> problem_of(IdempotencyBook::Claim::Kind kind);
HttpResponse replayed(unsigned status, std::string body);

}  // namespace ekiden::api
