#pragma once

#include "ekiden/base/pool_task.hpp"

namespace ekiden::api {

using base::run_on;

}  // namespace ekiden::api
