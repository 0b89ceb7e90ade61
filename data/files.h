// Data sets from files: tables of numbers (CSV), and the IDX format of MNIST. Both may be gzipped.
#pragma once

#include <descent/data/dataset.h>

#include <optional>
#include <variant>

namespace descent::data {

/// The kind of problem that a table poses; see CsvOptions::task.
enum class Task { automatic, classification, regression };

/// Options of csv().
struct CsvOptions {
  /// The column of the target: a name in the header, or a number. Columns count from 0, and a
  /// negative number counts from the last column.
  std::variant<std::int64_t, std::string> target = std::int64_t{-1};
  /// Columns to leave out: names in the header, or numbers that count from 0. If a name of the
  /// header is such a number too, the name counts.
  std::vector<std::string> drop = {};
  /// Whether the first row holds the names of the columns. If there is no value, csv() decides.
  std::optional<bool> header = {};
  /// `automatic` is classification if the target holds words. It is classification too if the
  /// target holds at most 50 different whole numbers, and numbers repeat. Otherwise it is
  /// regression.
  Task task = Task::automatic;
  char separator = '\0';  ///< as in TableOptions; 0: csv() finds out
  char decimal = '\0';    ///< as in TableOptions; 0: csv() finds out
};

/// Reads a table of numbers, as read_table() reads tables; see there for separators, quotes and
/// pipes. Only the target may hold words. Class labels become 0 … C − 1, in the order of their
/// values. Throws FileError for what read_table() refuses, and for a word or a gap in a feature, or
/// a gap in the target. The error names line and column. If a column of the options is not in the
/// table, throws ValueError.
///
///   const data::Dataset houses = data::csv("houses.csv", {.target = "price", .drop = {"id"}});
Dataset csv(const std::string& path, const CsvOptions& options = {});
/// Does what csv() does, but with the text of a table. Messages call the table `name`.
Dataset parse_csv(std::string_view text, const CsvOptions& options = {},
                  const std::string& name = "csv");

/// Reads one IDX file of bytes. If the file has one dimension, it holds labels, and the result is
/// int64 (N). Otherwise the result is float32, with values from 0 to 255. Throws FileError for a
/// wrong magic number or length.
Tensor load_idx(const std::string& path);
/// Reads a file of images and a file of labels: x (N, rows·columns), from 0 to 1, and y (N). Throws
/// FileError if a file is malformed, or if the numbers of images and labels differ.
Dataset idx(const std::string& images, const std::string& labels);
/// Reads a pair of files with MNIST's names from a folder: train-images… and train-labels…. If this
/// pair is not there, reads t10k-images… and t10k-labels…. Throws FileError if neither pair is
/// there.
Dataset idx_folder(const std::string& folder);

}  // namespace descent::data
