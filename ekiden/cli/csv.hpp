#pragma once

#include "ekiden/base/csv.hpp"

namespace ekiden::cli {

using base::CsvReader;
using base::decode_list;
using base::format_csv_field;

}  // namespace ekiden::cli
