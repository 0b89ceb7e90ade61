#include <descent/core/create.h>
#include <descent/core/files.h>
#include <descent/data/files.h>

#include <algorithm>
#include <filesystem>

namespace descent::data {

Tensor load_idx(const std::string& path) {
  const std::string file = gunzip(read_file(path), path);
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(file[i]); };
  if (file.size() < 4 || byte(0) != 0 || byte(1) != 0)
    fail<FileError>("load_idx", path, ": got no IDX file, expected two zero bytes at its start");
  if (byte(2) != 0x08)
    fail<FileError>("load_idx", path, ": got element type ", static_cast<int>(byte(2)),
                    ", expected 8, unsigned bytes");
  const int rank = byte(3);
  if (rank < 1 || rank > Shape::kMaxRank || file.size() < 4 + 4 * static_cast<std::size_t>(rank))
    fail<FileError>("load_idx", path, ": got ", rank, " dimensions in ", file.size(),
                    " bytes, expected a whole header");
  Shape shape;
  std::uint64_t expected = 1;
  for (int d = 0; d < rank; ++d) {
    std::uint64_t extent = 0;
    for (int k = 0; k < 4; ++k)
      extent =
          extent << 8 | byte(4 + 4 * static_cast<std::size_t>(d) + static_cast<std::size_t>(k));
    shape.push_back(static_cast<std::int64_t>(extent));
    expected = extent > 0 && expected > (std::uint64_t{1} << 40) / extent ? std::uint64_t{1} << 50
                                                                          : expected * extent;
  }
  const std::size_t start = 4 + 4 * static_cast<std::size_t>(rank);
  if (file.size() - start != expected)
    fail<FileError>("load_idx", path, ": got ", file.size() - start, " values for shape ", shape,
                    ", expected ", static_cast<unsigned long>(expected),
                    ". Hint: the file is cut off or damaged");
  Tensor out = empty(shape, rank == 1 ? kInt64 : kFloat32);
  const std::string_view values = std::string_view(file).substr(start);
  const auto value = [](char c) { return static_cast<unsigned char>(c); };
  if (rank == 1)
    std::ranges::transform(values, out.data_ptr<std::int64_t>(), value);
  else
    std::ranges::transform(values, out.data_ptr<float>(), value);
  return out;
}

Dataset idx(const std::string& images, const std::string& labels) {
  Dataset d;
  d.name = images;
  d.x = load_idx(images);
  d.y = load_idx(labels);
  if (d.x.dim() < 2 || d.y.dim() != 1 || d.x.size(0) != d.y.size(0))
    fail<FileError>("idx", "got images ", d.x.shape(), " and labels ", d.y.shape(),
                    ", expected as many of each");
  if (d.y.numel() == 0) fail<FileError>("idx", images, ": got no images, expected at least one");
  d.x = d.x.flatten(1).mul_(1.0 / 255);
  const std::vector<std::int64_t> values = d.y.to_vector<std::int64_t>();
  for (std::int64_t c = 0; c <= *std::max_element(values.begin(), values.end()); ++c)
    d.classes.push_back(std::to_string(c));
  return d;
}

Dataset idx_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> files;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    files.push_back(entry->path().filename().string());
  if (error) fail<FileError>("idx_folder", "could not read '", folder, "': ", error.message());
  std::sort(files.begin(), files.end());
  const auto find = [&](const std::string& start) {
    const auto found = std::find_if(files.begin(), files.end(),
                                    [&](const std::string& f) { return f.starts_with(start); });
    return found == files.end() ? std::string() : (fs::path(folder) / *found).string();
  };
  for (const char* part : {"train", "t10k"}) {
    const std::string images = find(to_text(part, "-images")),
                      labels = find(to_text(part, "-labels"));
    if (!images.empty() && !labels.empty()) {
      Dataset d = idx(images, labels);
      d.name = fs::path(folder).lexically_normal().filename().string();
      if (d.name.empty())
        d.name = fs::path(folder).lexically_normal().parent_path().filename().string();
      return d;
    }
  }
  fail<FileError>("idx_folder", "got '", folder, "' with ", files.size(),
                  " files, expected train-images… and train-labels… or t10k-images… and "
                  "t10k-labels…, gzipped or not");
}

}  // namespace descent::data
