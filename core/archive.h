// Tensors in a file: the safetensors format (a header of JSON, then raw little-endian values).
//
// Writing goes to a temporary file beside the target, which is flushed and renamed: a reader sees
// the old file or the new one, never half of one. Reading checks every length and offset.
#pragma once

#include <descent/core/tensor.h>

#include <map>
#include <string>

namespace descent {

struct Archive {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Throws FileError when the file cannot be written; an old one is then untouched.
void save_tensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                  const std::map<std::string, std::string>& metadata = {});
/// Reads BOOL, I64, F32 and F64 tensors. Throws FileError for anything malformed.
Archive load_tensors(const std::string& path);

/// Replaces a file's contents atomically: temporary file, flush, rename. Throws FileError.
void write_file(const std::string& path, std::string_view contents);
/// The whole of a file. Throws FileError.
std::string read_file(const std::string& path);

}  // namespace descent
