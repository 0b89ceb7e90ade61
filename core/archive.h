// Tensors in a file, in the safetensors format: a header of JSON, then raw little-endian values.
//
//   save_tensors("net.safetensors", model.state_dict(), {{"epoch", "3"}});
//   Archive a = load_tensors("net.safetensors");
//
// Writing replaces the file atomically, as write_file() does. Reading checks every length and
// offset.
#pragma once

#include <descent/core/tensor.h>

#include <map>
#include <string>

namespace descent {

/// What a file holds.
struct Archive {
  std::map<std::string, Tensor> tensors;        ///< by name
  std::map<std::string, std::string> metadata;  ///< text by name
};

/// Writes tensors of any layout, and text. If the file cannot be written, throws FileError and
/// leaves an old file untouched. Throws ValueError for an undefined tensor, or for a tensor with
/// the name __metadata__.
void save_tensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                  const std::map<std::string, std::string>& metadata = {});
/// A text that changes if a name, type, shape, value or text of the contents changes: a CRC-32. It
/// leaves out the metadata "descent_checksum", where a file may hold this text.
std::string checksum(const Archive& a);
/// Reads a file with BOOL, I64, F32 and F64 tensors. Throws FileError if the file cannot be read,
/// is malformed, or holds a tensor of any other type.
Archive load_tensors(const std::string& path);

}  // namespace descent
