// The text of a long table in blocks of whole rows. Internal.
#pragma once

#include <descent/core/file_system.h>
#include <descent/data/reading/fields.h>

#include <functional>
#include <memory>

namespace descent::data::detail {

/// Where a text stands in its file.
struct Place {
  bool first = true;       ///< the file begins here
  std::int64_t lines = 0;  ///< lines of the file that come before
};

/// Reads a file, a pipe or the standard input ("-") block by block, and unpacks gzip. A block takes
/// the same memory however long the file is. Only gzip from a pipe is unpacked as a whole first.
class Blocks {
 public:
  /// Throws FileError if the path cannot be read. A block has about `size` bytes.
  explicit Blocks(const std::string& path, std::size_t size = std::size_t{1} << 24);
  /// Goes to the next block. Returns false behind the last block. An empty file has one block.
  bool next();
  /// The rows of the block; before them, the names given to repeat().
  std::string_view text() const { return std::string_view(buffer_).substr(0, end_); }
  const Place& place() const { return place_; }
  /// After the first block: every other block begins with these names, and is cut by this format.
  void repeat(std::string_view names, const Format& format);

 private:
  std::size_t end_of_rows() const;

  std::string path_;
  std::size_t size_;
  std::function<std::size_t(char*, std::size_t)> read_;
  std::string buffer_;     // names, rows, and the beginning of a row that goes on
  std::size_t begin_ = 0;  // where the rows begin
  std::size_t end_ = 0;    // where the rows end
  bool ended_ = false;     // the file has no more
  std::optional<Format> format_;
  Place place_;
  bool begun_ = false;
};

}  // namespace descent::data::detail
