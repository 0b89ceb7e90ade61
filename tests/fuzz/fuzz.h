// What all fuzzers share: the promise about errors, choices made from bytes, and files in memory.
#pragma once

#include <descent/core/error.h>
#include <descent/core/tensor.h>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace descent::fuzz {

/// Ends the program unless a promise holds. A fuzzer then keeps the input.
inline void require(bool holds, const std::string& promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise.c_str());
  std::abort();
}

/// Calls f. Returns false if f throws an Error. Any other exception ends the program, and so does
/// an Error whose text is long or is not UTF-8.
template <class F>
bool accepts(const F& f) {
  try {
    f();
    return true;
  } catch (const Error& e) {
    const std::string text = e.what();
    require(text.size() < 1000, "an error has fewer than 1000 bytes: " + text);
    try {
      static_cast<void>(nlohmann::json(text).dump());
    } catch (const nlohmann::json::exception&) {
      require(false, "an error is UTF-8: " + text);
    }
    return false;
  }
}

/// True if two tensors have the same dtype, shape and bytes. Both must be contiguous.
inline bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.numel() == 0 ||
          std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.numel()) * size_of(a.dtype())) ==
              0);
}

/// Choices that bytes make. After the last byte every choice is 0.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return left_.empty(); }
  unsigned byte() {
    if (left_.empty()) return 0;
    const auto b = static_cast<unsigned char>(left_.front());
    left_.remove_prefix(1);
    return b;
  }
  /// A number from 0 to n − 1, for n up to 256.
  std::size_t below(std::size_t n) { return byte() % n; }
  bool flag() { return byte() % 2 == 1; }
  /// The bytes up to the next line end, which is left out.
  std::string_view line() {
    const std::size_t end = std::min(left_.find('\n'), left_.size());
    const std::string_view text = left_.substr(0, end);
    left_.remove_prefix(std::min(end + 1, left_.size()));
    return text;
  }
  std::string_view rest() { return std::exchange(left_, {}); }

 private:
  std::string_view left_;
};

/// Writes a file in memory, and returns its path. The file is the same each time. It is removed
/// when the program ends.
inline const std::string& file_with(std::string_view contents) {
  static const struct File {
    std::string path = "/dev/shm/descent-fuzz-" + std::to_string(::getpid());
    ~File() { ::unlink(path.c_str()); }
  } file;
  const int fd = ::open(file.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  require(fd >= 0 && ::write(fd, contents.data(), contents.size()) ==
                         static_cast<ssize_t>(contents.size()),
          "writing to /dev/shm");
  ::close(fd);
  return file.path;
}
inline const std::string& file_with(const std::uint8_t* data, std::size_t size) {
  return file_with({reinterpret_cast<const char*>(data), size});
}

}  // namespace descent::fuzz
