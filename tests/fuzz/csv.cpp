// CSV: what parse_csv() accepts, written as a table, reads back equal. The first line gives the
// options: a digit for task and header, then the target and the columns to leave out.
#include "tests/fuzz/fuzz.h"

#include <descent/data/files.h>

using namespace descent;

namespace {

std::string quoted(const std::string& field) {
  std::string s = "\"";
  for (const char c : field) s += c == '"' ? std::string("\"\"") : std::string(1, c);
  return s + "\"";
}

std::string text_of(const data::Dataset& d) {
  std::string text;
  for (const std::string& name : d.features) text += quoted(name) + ",";
  if (!text.empty()) text += "\"target\"\n";
  const float* x = d.x.data_ptr<float>();
  for (std::int64_t r = 0; r < d.size(); ++r) {
    for (std::int64_t c = 0; c < d.x.size(1); ++c) text += to_text(double{*x++}, ",");
    text += d.is_classification()
                ? quoted(d.classes[static_cast<std::size_t>(d.y.data_ptr<std::int64_t>()[r])])
                : to_text(double{d.y.data_ptr<float>()[r]});
    text += "\n";
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  fuzz::Choices asked(data, size);
  choices.line();
  data::CsvOptions options;
  const unsigned kind = asked.byte();
  options.task = std::array{data::Task::automatic, data::Task::classification,
                            data::Task::regression}[kind % 3];
  if (kind & 4) options.header = (kind & 8) != 0;
  const std::string target(asked.line());
  if (target.size() == 1)
    options.target = std::int64_t{target[0]} - '5';
  else if (const std::size_t comma = target.find(','); !target.empty()) {
    options.target = target.substr(0, comma);
    if (comma < target.size()) options.drop = {target.substr(comma + 1)};
  }
  options.decimal = '.';  // classes that are numbers with commas would be sorted as words later
  data::Dataset d, again;
  if (!fuzz::accepts([&] { d = data::parse_csv(choices.rest(), options); })) return 0;
  options = {.header = !d.features.empty(),
             .task = d.is_classification() ? data::Task::classification : data::Task::regression,
             .separator = ',',
             .decimal = '.'};
  const std::string text = text_of(d);
  again = data::parse_csv(text, options);
  fuzz::require(d.features == again.features && d.classes == again.classes, "names read back");
  fuzz::require(fuzz::same(d.x, again.x) && fuzz::same(d.y, again.y), "numbers read back");
  fuzz::require(text_of(again) == text, "what is written twice is the same");
  return 0;
}
