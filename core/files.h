// Whole files: reading, replacing atomically, and unpacking gzip.
#pragma once

#include <string>
#include <string_view>

namespace descent {

/// The contents of a file. Throws FileError if the file is missing, a folder, or cannot be read.
std::string read_file(const std::string& path);

/// Replaces a file's contents. Writes the new contents to a temporary file beside the target,
/// flushes the temporary file, and renames it. A reader therefore sees either the old file or the
/// whole new file. If the file cannot be written, throws FileError and leaves the old file
/// untouched.
void write_file(const std::string& path, std::string_view contents);

/// Unpacks all members of a gzip file. If the contents are not gzipped, returns the contents
/// unchanged. Throws FileError if the contents are damaged, cut off or larger than 4 GiB. The error
/// calls the contents `name`.
std::string gunzip(std::string contents, const std::string& name);

}  // namespace descent
