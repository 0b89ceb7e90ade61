// NumPy's files: .npy holds one array, .npz several by name.
//
//   data::save_npz("points.npz", {{"x", x}, {"y", y}});
//   const Tensor x = data::load_npz("points.npz").at("x");
//
// The format: numpy.lib.format, versions 1 to 3. An .npz file is a zip archive of .npy files.
#pragma once

#include <descent/core/tensor.h>

#include <cstdint>
#include <map>
#include <string>

namespace descent::data {

/// Reads an array. Either byte order and Fortran order are read. bool, float32, float64 and int64
/// keep their type. Smaller integers become int64, and float16 becomes float32. Throws FileError if
/// the file cannot be read or is malformed, and for any other type: complex numbers, text, objects,
/// and uint64, whose numbers may be larger than int64 holds.
Tensor load_npy(const std::string& path);
/// Writes a tensor of any layout, in row-major order. If the file cannot be written, throws
/// FileError and leaves an old file untouched.
void save_npy(const std::string& path, const Tensor& t);

/// Reads all arrays of an archive, by their names without ".npy". Members may be stored or
/// deflated. Throws FileError for what load_npy() refuses, if a checksum is wrong, and if the
/// members unpack to more than `most` bytes in all.
std::map<std::string, Tensor> load_npz(const std::string& path,
                                       std::uint64_t most = std::uint64_t{1} << 32);
/// Writes arrays into an archive, stored and not deflated, as numpy.savez() does. Throws the errors
/// of save_npy(), and ValueError for an undefined tensor or more than 4 GB.
void save_npz(const std::string& path, const std::map<std::string, Tensor>& tensors);

}  // namespace descent::data
