// Tables: whatever parse_table() accepts has a summary, and a schema that is the same after JSON.
// The first line gives the options: separator, decimal mark and header, then a column and its use.
#include "tests/fuzz/fuzz.h"

#include <descent/data/schema.h>

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  fuzz::Choices choices(bytes, size), asked(bytes, size);
  choices.line();
  data::TableOptions options;
  const unsigned kind = asked.byte();
  options.separator = std::array{'\0', ',', ';', '\t', '|', ' '}[kind % 6];
  options.decimal = std::array{'\0', '.', ','}[kind / 6 % 3];
  if (kind & 64) options.header = (kind & 128) != 0;
  const unsigned use = asked.byte();
  if (const std::string column(asked.line()); !column.empty() && column.size() < 20)
    options.columns[column] = std::array{data::ColumnUse::number, data::ColumnUse::category,
                                         data::ColumnUse::drop}[use % 3];
  data::Table table;
  if (!fuzz::accepts([&] { table = data::parse_table(choices.rest(), options); })) return 0;
  fuzz::require(table.rows() > 0 && !table.columns.empty() && !table.summary().empty(), "a table");
  fuzz::require(table.values.size(1) == std::ssize(table.columns), "a value for each column");
  data::Schema schema;
  if (!fuzz::accepts([&] { schema = data::Schema::fit(table, {}); })) return 0;
  const auto again = data::Schema::from_json(schema.to_json());
  const data::Dataset a = schema.dataset(table), b = again.dataset(table);
  fuzz::require(fuzz::same(a.x, b.x) && fuzz::same(a.y, b.y), "the same after JSON");
  fuzz::require(a.x.size(1) == schema.num_inputs() && std::ssize(a.features) == schema.num_inputs(),
                "a name for each input");
  return 0;
}
