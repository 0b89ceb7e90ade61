// A folder for the files of a test.
#pragma once

#include <descent/core/text.h>

#include <unistd.h>
#include <atomic>
#include <filesystem>
#include <string>

namespace descent::testing {

/// A new folder, which the destructor removes with all that is in it.
struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    static std::atomic<int> next = 0;
    path = std::filesystem::temp_directory_path() /
           to_text("descent-test-", static_cast<long>(::getpid()), "-", next++);
    std::filesystem::create_directories(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

}  // namespace descent::testing
