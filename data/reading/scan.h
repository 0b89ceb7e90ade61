// What the readers of tables share. Internal: users call read_table() and csv().
#pragma once

#include <descent/data/reading/blocks.h>
#include <descent/data/table.h>

#include <cstdlib>
#include <functional>
#include <memory>

namespace descent::data::detail {

/// The text of a file, unpacked if it was gzipped. Reads pipes and, as "-", the standard input too.
class TextOf {
 public:
  /// Throws FileError if the file cannot be read, MemoryError if it does not fit into the memory.
  explicit TextOf(const std::string& path);
  std::string_view view() const { return plain_ ? std::string_view(plain_.get(), size_) : packed_; }

 private:
  std::string packed_;  // what was unpacked, or came from a pipe
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> plain_;  // else the file, read by several threads
  std::size_t size_ = 0;
};

/// The names of the columns of a file.
struct Names {
  std::string table;               ///< for messages
  std::vector<std::string> names;  ///< from the header, or numbers
  /// The place of a column by its name or, if no column has this name, by its number. Throws
  /// ValueError if there is none; `what` says what was looked for.
  std::size_t find(const std::string& wanted, const char* what) const;
};

/// A field of a file, for messages.
struct Origin {
  std::size_t line = 0;  ///< from 1; 0 for no field
  std::string text;
};
/// A table, and what is known of its text.
struct Scan {
  Table table;
  std::vector<Origin> gaps;  ///< the first gap of each column of the file
  std::string_view names;    ///< the row of names, in the text; empty if there is none
  Format format;
};
/// How a column is read. What has no value is decided by scan().
struct Plan {
  std::optional<ColumnUse> use;
  std::optional<double> shift = {};  ///< see Column::shift
  bool any_words = false;            ///< a category may have any number of words
};
using Choose = std::function<void(const Names&, std::vector<Plan>&)>;
/// Reads a text. If the text does not begin a file, `place` says where the text stands, and the
/// options must give separator, decimal mark and header.
Scan scan(std::string_view text, const TableOptions& options, const std::string& name,
          const Choose& choose, const Place& place = {});

}  // namespace descent::data::detail
