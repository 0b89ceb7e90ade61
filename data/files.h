// Data sets from files: tables of numbers (CSV), and the IDX format of MNIST. Both may be gzipped.
#pragma once

#include <descent/data/dataset.h>

#include <optional>
#include <variant>

namespace descent::data {

/// What the target of a table is; see CsvOptions::task.
enum class Task { automatic, classification, regression };

/// Options of csv().
struct CsvOptions {
  /// The column of the target: a name of the header, or a number from 0; negative counts from the
  /// last.
  std::variant<std::int64_t, std::string> target = std::int64_t{-1};
  /// Columns to leave out: names of the header, or numbers from 0.
  std::vector<std::string> drop = {};
  /// Whether the first line holds names. Without a value: yes if it holds a word, unless that word
  /// is the target of a first sample.
  std::optional<bool> header = {};
  /// automatic: classification if the target holds words, or if it holds at most 50 different whole
  /// numbers that repeat; else regression.
  Task task = Task::automatic;
};

/// Reads a table of numbers, separated by commas, semicolons or tabs. Only the target may hold
/// words. Class labels become 0 … C − 1, in the order of their values. Throws FileError, which
/// names line and column, for a field that is no finite number, a line of another length, or an
/// empty table. Throws ValueError for a column that is not there.
///
///   const data::Dataset houses = data::csv("houses.csv", {.target = "price", .drop = {"id"}});
Dataset csv(const std::string& path, const CsvOptions& options = {});
/// As csv(), from text. `name` stands in messages.
Dataset parse_csv(std::string_view text, const CsvOptions& options = {},
                  const std::string& name = "csv");

/// Reads one IDX file of bytes. A file of one dimension holds labels and gives int64 (N). Any other
/// gives float32, from 0 to 255. Throws FileError for a wrong magic number or length.
Tensor load_idx(const std::string& path);
/// Reads a file of images and one of labels: x (N, rows·columns), from 0 to 1, and y (N). Throws
/// FileError if the files are malformed or hold different numbers.
Dataset idx(const std::string& images, const std::string& labels);
/// Reads the two files of a folder that are called as MNIST's: train-images… and train-labels…, or,
/// if these are not there, t10k-images… and t10k-labels…. Throws FileError if neither pair is
/// there.
Dataset idx_folder(const std::string& folder);

}  // namespace descent::data
