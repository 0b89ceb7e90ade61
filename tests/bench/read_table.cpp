// Reads a table: prints megabytes a second, and the largest memory of the process in megabytes.
// Then predicts all rows in blocks, and single rows of a 64-64-10 net.
//
//   read_table FILE
#include <descent/descent.h>

#include <sys/resource.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

namespace {

using Clock = std::chrono::steady_clock;
using namespace descent;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A model with fresh weights for these columns of numbers.
TableModel model_of(const std::vector<std::string>& columns, std::int64_t classes) {
  TableModel m;
  for (const std::string& name : columns) m.schema.features.push_back({name});
  m.schema.target.name = "target";
  for (std::int64_t c = 0; c < classes; ++c) m.schema.target.classes.push_back(std::to_string(c));
  m.network = {.inputs = m.schema.num_inputs(), .hidden = {64}, .outputs = classes};
  m.nets = {nn::mlp(m.network)};
  m.nets[0].eval();
  return m;
}

/// The median time of a prediction of one row, in nanoseconds.
double nanoseconds_a_row() {
  std::vector<std::string> columns;
  for (int i = 0; i < 64; ++i) columns.push_back(to_text("x", i));
  const TableModel m = model_of(columns, 10);
  const std::vector<float> row(64, 0.5F);
  std::vector<double> out(10), times;
  for (int i = 0; i < 101; ++i) {
    const auto start = Clock::now();
    for (int k = 0; k < 1000; ++k) m.predict(row, out);
    times.push_back(seconds_since(start) * 1e6);
  }
  std::sort(times.begin(), times.end());
  return times[50];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "[read_table] got %d arguments, expected a file\n", argc - 1);
    return 2;
  }
  // The first time also starts the threads.
  double best = 1e300;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    const descent::data::Table table = descent::data::read_table(argv[1]);
    const double seconds = seconds_since(start);
    if (i == 0)
      std::printf("first %.0f MB/s\n",
                  static_cast<double>(std::filesystem::file_size(argv[1])) / seconds / 1e6);
    if (seconds < best) best = seconds;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("best of 5 %.0f MB/s, peak %ld MB\n",
              static_cast<double>(std::filesystem::file_size(argv[1])) / best / 1e6,
              usage.ru_maxrss / 1024);
  std::vector<std::string> columns;
  for (const data::Column& c : data::read_table(argv[1]).columns) columns.push_back(c.name);
  const TableModel m = model_of(columns, 2);
  const auto start = Clock::now();
  m.schema.read_blocks(argv[1], {},
                       [&](const data::Table& rows, const data::Table&) { m.predict(rows); });
  std::printf(
      "predicted in blocks %.0f MB/s\n",
      static_cast<double>(std::filesystem::file_size(argv[1])) / seconds_since(start) / 1e6);
  std::printf("a row of a 64-64-10 net %.0f ns\n", nanoseconds_a_row());
}
