//! Data sets by name.

use saddle_data::{DatasetName, FASHION_MNIST, MNIST};

#[test]
fn names_read_back_and_wrong_ones_list_the_right_ones() {
    for name in DatasetName::ALL {
        assert_eq!(name.to_string().parse(), Ok(name));
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<DatasetName>(&json).unwrap(), name);
        let distinct: std::collections::BTreeSet<_> = name.classes().into_iter().collect();
        assert_eq!(distinct.len(), 10);
    }
    let words = "cifar100".parse::<DatasetName>().unwrap_err();
    assert!(words.contains("mnist, fashion-mnist, cifar10"), "{words}");
    assert_eq!(DatasetName::default(), DatasetName::Mnist);
}

#[test]
fn fashion_mnist_has_the_files_of_mnist_with_other_bytes() {
    for (own, digits) in FASHION_MNIST.files.iter().zip(MNIST.files) {
        assert_eq!((own.name, own.size), (digits.name, digits.size));
        assert_ne!(own.sha256, digits.sha256);
        assert!(own.sha256.len() == 64 && own.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
    }
    assert!(FASHION_MNIST.mirrors.iter().all(|mirror| mirror.starts_with("https://")));
}
