// Files by piece. Internal: users read and write whole files, see files.h.
#pragma once

#include <fcntl.h>
#include <unistd.h>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace descent::detail {

/// A regular file that is open for reading.
class InputFile {
 public:
  /// Throws FileError, in the name of `op`, unless the path leads to a regular file.
  InputFile(const char* op, std::string path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }  ///< in bytes, when the file was opened
  /// Reads up to n bytes that begin at `offset`. Returns how many there were. Throws FileError if
  /// the file cannot be read.
  std::size_t read(std::uint64_t offset, void* to, std::size_t n) const;

 private:
  const char* op_;
  std::string path_;
  int fd_;
  std::uint64_t size_ = 0;
};

/// A pipe or the standard input ("-") that is open for reading.
class InputPipe {
 public:
  /// Throws FileError if the path cannot be opened, or if the standard input is a device.
  InputPipe(const char* op, std::string path);
  ~InputPipe();
  InputPipe(const InputPipe&) = delete;
  InputPipe& operator=(const InputPipe&) = delete;

  /// Reads up to n bytes, and waits until there are some. Returns 0 at the end. Throws FileError if
  /// the pipe cannot be read, and if nobody writes to a named pipe within three seconds.
  std::size_t read(void* to, std::size_t n);

 private:
  const char* op_;
  std::string path_;
  int fd_;
  bool begun_ = false;  // somebody has written
};

/// True for what InputPipe opens and InputFile does not: "-" and pipes.
bool is_pipe(const std::string& path);

/// The names in a folder, in no order. Returns nothing if the folder cannot be read; errno then
/// says why. std::filesystem's iterator would end the program if memory ran out.
std::optional<std::vector<std::string>> names_in(const std::string& folder);

/// The calls of the system with which write_file() changes files, in the order of a write. A test
/// puts functions that fail in their place.
struct FileCalls {
  int (*create)(const char* path, int flags, unsigned mode) = [](const char* p, int f, unsigned m) {
    return ::open(p, f, m);
  };
  ssize_t (*write)(int fd, const void* data, std::size_t n) = ::write;
  int (*fsync)(int fd) = ::fsync;
  int (*rename)(const char* from, const char* to) = ::rename;
};
extern FileCalls file_calls;

}  // namespace descent::detail
