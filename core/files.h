// Whole files: reading, replacing atomically, and unpacking gzip.
#pragma once

#include <string>
#include <string_view>

namespace descent {

/// The contents of a file. Throws FileError if the file is missing, a folder, or cannot be read.
std::string read_file(const std::string& path);

/// Replaces a file's contents. The new contents go to a temporary file beside the target, which is
/// flushed and renamed: a reader sees the old file or the new one, never half of one. Throws
/// FileError if the file cannot be written; the old file is then untouched.
void write_file(const std::string& path, std::string_view contents);

/// Unpacks gzip, all members of it. Contents that are not gzipped come back as they are. Throws
/// FileError, which calls the contents `name`, if they are damaged, cut off or larger than 4 GiB.
std::string gunzip(std::string contents, const std::string& name);

}  // namespace descent
