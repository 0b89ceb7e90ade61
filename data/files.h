// Datasets from files: numeric CSV, and the IDX format of MNIST.
#pragma once

#include <descent/data/dataset.h>

#include <optional>
#include <variant>

namespace descent::data {

enum class Task { automatic, classification, regression };

struct CsvOptions {
  /// The target's column: a name of the header, or a number from 0; negative counts from the last.
  std::variant<std::int64_t, std::string> target = std::int64_t{-1};
  std::vector<std::string> drop = {};  ///< columns to leave out, by name, or number from 0
  std::optional<bool> header = {};     ///< by default: yes if the first line holds a word
  /// automatic: classification if the target holds words, or at most 50 different whole numbers
  /// that repeat.
  Task task = Task::automatic;
};

/// A table of numbers, separated by commas, semicolons or tabs; the target may hold words. Class
/// labels become 0 … C−1, in the order of their values. Throws FileError naming line and column for
/// a field that is no finite number, a line of another length, or an empty table; ValueError for a
/// target that is not there.
Dataset csv(const std::string& path, const CsvOptions& options = {});
/// The same from text; `name` stands in messages.
Dataset parse_csv(std::string_view text, const CsvOptions& options = {},
                  const std::string& name = "csv");

/// One IDX file, gzipped or not: bytes become float32 for rank > 1 and int64 for rank 1 (labels).
/// Throws FileError for a wrong magic number or length.
Tensor load_idx(const std::string& path);
/// Images (N, rows·columns), divided by 255, with their labels.
Dataset idx(const std::string& images, const std::string& labels);
/// The pair of files of a folder, named as MNIST's: train-images… and train-labels…, else t10k-….
Dataset idx_folder(const std::string& folder);

}  // namespace descent::data
