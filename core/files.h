// Whole files: reading, replacing atomically, and unpacking gzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace descent {

/// The contents of a file. Throws FileError if the file is missing or cannot be read, and for
/// everything that is no regular file: a folder, a pipe, a device. Throws MemoryError if the file
/// is larger than the memory.
std::string read_file(const std::string& path);

/// Does what read_file() does, and also reads pipes up to their end. If `path` is "-", reads the
/// standard input. Besides the errors of read_file(), throws FileError if nobody writes to a named
/// pipe within three seconds, and if a pipe gives more than `most` bytes.
std::string read_input(const std::string& path, std::uint64_t most = std::uint64_t{1} << 34);

/// Replaces a file's contents. A reader, also after a crash, sees either the old contents or all of
/// the new contents: they are written to a temporary file beside the target, flushed, and renamed.
/// If the file cannot be written, throws FileError and leaves the old file untouched.
///
/// A new file gets the permissions that the umask allows. A file that is replaced keeps its
/// permissions and, where the system allows it, its owner. Behind a symbolic link the file that the
/// link leads to is replaced. A pipe or device is written to, not replaced. Temporary files of
/// programs that died, `.descent-….tmp`, are removed from the folder.
void write_file(const std::string& path, std::string_view contents);
/// Does the same with contents that come in pieces: calls give(write) once, and give calls
/// write(piece) for each piece. If give throws, the old file stays.
void write_file(const std::string& path,
                const std::function<void(const std::function<void(std::string_view)>&)>& give);

/// Makes a folder, and the folders above it, if they do not exist. Throws FileError if a folder
/// cannot be made, or if no file can be written into it. A program that calls make_folder() first
/// therefore fails before its work and not after.
void make_folder(const std::string& path);

/// How much gunzip() may unpack. A small file that unpacks to far more than it holds is more often
/// an attack than data.
struct UnpackLimits {
  std::uint64_t bytes = std::uint64_t{1} << 32;    ///< at most so many bytes in all
  std::uint64_t always = std::uint64_t{64} << 20;  ///< so many bytes are allowed at any ratio
  double ratio = 100;                              ///< beyond `always`: bytes out for a byte in
};
/// Unpacks all members of a gzip file. If the contents are not gzipped, returns the contents
/// unchanged. Throws FileError if the contents are damaged, cut off or beyond the limits. The error
/// calls the contents `name`.
std::string gunzip(std::string contents, const std::string& name, const UnpackLimits& limits = {});

}  // namespace descent
