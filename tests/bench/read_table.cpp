// Reads a table: prints megabytes a second, and the largest memory of the process in megabytes.
//
//   read_table FILE
#include <descent/data/table.h>

#include <sys/resource.h>
#include <chrono>
#include <cstdio>
#include <filesystem>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "[read_table] got %d arguments, expected a file\n", argc - 1);
    return 2;
  }
  using Clock = std::chrono::steady_clock;
  // The first time also starts the threads.
  double best = 1e300;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    const descent::data::Table table = descent::data::read_table(argv[1]);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
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
}
